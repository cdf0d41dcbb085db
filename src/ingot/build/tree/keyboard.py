"""The console's keyboard: the templates' console map names, said in the XKB words that Debian keeps them in."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.sandbox import run_in_tree
from ingot.build.tree import files

#: What has to be installed for a keyboard to be set.
PACKAGES = ("console-setup", "keyboard-configuration", "kbd")

#: {console map: (XKB layout, XKB variant)}
KEYBOARDS: dict[str, tuple[str, str]] = {
    "ar-azerty": ("ara", "azerty"),
    "ar-azerty-digits": ("ara", "azerty_digits"),
    "ar-digits": ("ara", "digits"),
    "ar-qwerty": ("ara", "qwerty"),
    "ar-qwerty-digits": ("ara", "qwerty_digits"),
    "be-latin1": ("be", ""),
    "ben": ("in", "ben"),
    "ben-probhat": ("in", "ben_probhat"),
    "bg-bds-utf8": ("bg", ""),
    "bg-pho-utf8": ("bg", "phonetic"),
    "br-abnt2": ("br", ""),
    "cf": ("ca", ""),
    "croat": ("hr", ""),
    "cz-lat2": ("cz", "qwerty"),
    "cz-us-qwertz": ("cz", ""),
    "de": ("de", ""),
    "de-latin1": ("de", ""),
    "de-latin1-nodeadkeys": ("de", "nodeadkeys"),
    "dev": ("in", ""),
    "dk": ("dk", ""),
    "dk-latin1": ("dk", ""),
    "dvorak": ("us", "dvorak"),
    "es": ("es", ""),
    "et": ("ee", ""),
    "fi": ("fi", ""),
    "fi-latin1": ("fi", ""),
    "fr": ("fr", ""),
    "fr-ch": ("ch", "fr"),
    "fr-ch-latin1": ("ch", "fr"),
    "fr-latin1": ("fr", ""),
    "fr-latin9": ("fr", "latin9"),
    "fr-pc": ("fr", ""),
    "gr": ("gr", ""),
    "guj": ("in", "guj"),
    "gur": ("in", "guru"),
    "hu": ("hu", ""),
    "hu101": ("hu", "101_qwerty_comma_dead"),
    "ie": ("ie", ""),
    "is-latin1": ("is", ""),
    "it": ("it", ""),
    "it-ibm": ("it", "ibm"),
    "it2": ("it", ""),
    "jp106": ("jp", ""),
    "ko": ("kr", ""),
    "la-latin1": ("latam", ""),
    "mk-utf": ("mk", ""),
    "nl": ("nl", ""),
    "no": ("no", ""),
    "pl2": ("pl", ""),
    "pt-latin1": ("pt", ""),
    "ro": ("ro", ""),
    "ro-cedilla": ("ro", "cedilla"),
    "ro-std": ("ro", "std"),
    "ro-std-cedilla": ("ro", "std_cedilla"),
    "ru": ("ru", ""),
    "sg": ("ch", "de"),
    "sg-latin1": ("ch", "de"),
    "sk-qwerty": ("sk", "qwerty"),
    "sloven": ("si", ""),
    "sr-cy": ("rs", ""),
    "sr-latin1": ("rs", "latin"),
    "sv-latin1": ("se", ""),
    "tj": ("tj", ""),
    "tml-inscript": ("in", "tam"),
    "tml-uni": ("in", "tam_tamilnet"),
    "trq": ("tr", ""),
    "ua-utf": ("ua", ""),
    "uk": ("gb", ""),
    "us": ("us", ""),
    "us-acentos": ("us", "intl"),
}


def set_up_keyboard(tree: Path, keyboard: str, env: Mapping[str, str], log: Path) -> None:
    """Set the keyboard and precompute the console's map, so that it is there early at every boot."""
    refuse_unknown(keyboard)
    layout, variant = KEYBOARDS[keyboard]
    content = f'XKBMODEL="pc105"\nXKBLAYOUT="{layout}"\nXKBVARIANT="{variant}"\nXKBOPTIONS=""\nBACKSPACE="guess"\n'
    files.write(tree, "/etc/default/keyboard", content)
    run_in_tree(tree, ["setupcon", "--force", "--save-only"], env=env, log=log)


def refuse_unknown(keyboard: str) -> None:
    """Raise BuildError for a keyboard that templates cannot name."""
    if keyboard not in KEYBOARDS:
        near = difflib.get_close_matches(keyboard, KEYBOARDS, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else f": use one of {', '.join(KEYBOARDS)}."
        raise BuildError(f"There is no keyboard {keyboard}{hint}")
