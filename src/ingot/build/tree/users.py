"""Users and groups of the machine, made with the distribution's own tools."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.sandbox import run_in_tree
from ingot.build.template import Group, Installation, RootUser, SshKey, User
from ingot.build.tree import files

_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}\$?")


def set_up_users(tree: Path, installation: Installation, env: Mapping[str, str], log: Path) -> None:
    """Create the template's groups and users and set how root logs in."""
    known = {line.split(":")[0] for line in (tree / "etc/group").read_text(encoding="utf-8").splitlines()}
    known |= {group.name for group in installation.groups}
    _refuse_unknown_groups(known, installation)
    for group in installation.groups:
        _add_group(tree, group, env, log)
    for user in installation.users:
        _add_user(tree, user, known, env, log)
    _set_up_root(tree, installation.root_user, env, log)
    _restrict_password_logins(tree, installation)


def _refuse_unknown_groups(known: Collection[str], installation: Installation) -> None:
    for name in (*(g.name for g in installation.groups), *(u.name for u in installation.users)):
        if not _NAME.fullmatch(name):
            raise BuildError(
                f"{name!r} cannot be the name of a user or group: use up to 32 of a-z, 0-9, '_', '-' and '.', "
                "a letter first."
            )
    for user in installation.users:
        asked = [*_names(user.secondary_groups), *([user.primary_group] if user.primary_group else [])]
        for name in asked:
            if name not in known and name != user.name:
                raise BuildError(
                    f"User {user.name} is in group {name}, which does not exist: declare it among the groups."
                )


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _add_group(tree: Path, group: Group, env: Mapping[str, str], log: Path) -> None:
    argv = ["groupadd"]
    if group.system_group:
        argv.append("--system")
    if group.group_id is not None:
        argv += ["--gid", str(group.group_id)]
    run_in_tree(tree, [*argv, "--", group.name], env=env, log=log)
    _allow_sudo(tree, f"%{group.name}", group.sudo)


def _add_user(tree: Path, user: User, known: Collection[str], env: Mapping[str, str], log: Path) -> None:
    home = user.home_dir or f"/home/{user.name}"
    argv = ["useradd", "--create-home", "--home-dir", home, "--shell", user.shell or "/bin/bash"]
    argv += ["--comment", user.full_name]
    if user.system_user:
        argv.append("--system")
    if user.user_id is not None:
        argv += ["--uid", str(user.user_id)]
    primary = user.primary_group or user.name
    # A group of the user's own name is made with the user, unless the template or the distribution has it.
    if primary != user.name or primary in known:
        argv += ["--gid", primary]
    else:
        argv.append("--user-group")
    if groups := _names(user.secondary_groups):
        argv += ["--groups", ",".join(groups)]
    run_in_tree(tree, [*argv, "--", user.name], env=env, log=log)
    _set_password(tree, user.name, user.password, env, log)
    _allow_sudo(tree, user.name, user.sudo)
    _authorize(tree, user.name, user.ssh_keys)


def _set_up_root(tree: Path, root: RootUser, env: Mapping[str, str], log: Path) -> None:
    _set_password(tree, "root", root.password, env, log)
    _authorize(tree, "root", root.ssh_keys)


def _set_password(tree: Path, name: str, password: str | None, env: Mapping[str, str], log: Path) -> None:
    """Set a hashed password; without one the account has none and password login is locked."""
    run_in_tree(tree, ["chpasswd", "--encrypted"], stdin=f"{name}:{password or '!'}\n", env=env, log=log)


def _allow_sudo(tree: Path, who: str, level: int) -> None:
    if level:
        tag = "NOPASSWD: " if level == 2 else ""
        file = f"/etc/sudoers.d/{who.replace('%', 'group-').replace('.', '_')}"
        files.write(tree, file, f"{who} ALL=(ALL:ALL) {tag}ALL\n", mode=0o440)


def _authorize(tree: Path, name: str, keys: tuple[SshKey, ...]) -> None:
    if not keys:
        return
    for line in (tree / "etc/passwd").read_text(encoding="utf-8").splitlines():
        login, _, uid, gid, _, home, _ = line.split(":")
        if login == name:
            owner = (int(uid), int(gid))
            content = "".join(f"{key.public_key.strip()}\n" for key in keys)
            file = files.write(tree, f"{home}/.ssh/authorized_keys", content, mode=0o600, owner=owner)
            file.parent.chmod(0o700)
            # `write` made the directory as root.
            files.own(file.parent, owner)


def _restrict_password_logins(tree: Path, installation: Installation) -> None:
    """Tell the SSH server who may log in with a password; the console is not affected."""
    if not (tree / "etc/ssh/sshd_config.d").is_dir():
        return
    root = installation.root_user
    allowed = root.password is not None and not root.disable_password_login
    lines = [f"PermitRootLogin {'yes' if allowed else 'prohibit-password'}"]
    for user in installation.users:
        if user.disable_password_login:
            lines += [f"Match User {user.name}", "    PasswordAuthentication no", "Match all"]
    files.write(tree, "/etc/ssh/sshd_config.d/10-ingot.conf", "\n".join(lines) + "\n")
