"""Messages as XML and JSON documents.

XML carries the root element in the API's namespace and everything below it without one; JSON carries the root
element's name as the only key of the outermost object, and keeps the wrappers of lists:
{"images": {"images": {"image": [...]}}}. In both, fields stand in the order of the schema, those that are None are
left out, and a list that is there keeps its wrapper even when it is empty. A message of a subtype says which one:
`xsi:type` in XML, the key "@type" in JSON. Characters that XML does not have are written as U+FFFD.

Where a message stands for a more general type (an operation answers a LinuxProfile as its DistribProfile),
`declared` is that type: its root element is used. Abstract types cannot be written: TypeError.
"""

from ingot.messages.json_form import from_json, to_json
from ingot.messages.table import NAMESPACE
from ingot.messages.values import MalformedMessageError
from ingot.messages.xml_form import from_xml, to_xml

__all__ = ["NAMESPACE", "MalformedMessageError", "from_json", "from_xml", "to_json", "to_xml"]
