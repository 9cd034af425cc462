"""Holds every answer of a server against botocore's own service models.

Answers are looked at as they come over the wire, before boto3 drops what it does not know: the status, every key, every
type, every word of an enumeration. Any difference ends the program.
"""

import collections
import json
import re
import xml.etree.ElementTree as ElementTree

SEEN = collections.Counter()
"""How often each operation was answered with success."""

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Difference(AssertionError):
    """The server says something that the model does not know."""


def watch(session):
    """Lets every client of a session look at its answers."""
    session.get_component("event_emitter").register("before-parse", look)


def look(operation_model, response_dict, **_):
    """Looks at one answer."""
    service = operation_model.service_model.service_name
    name = f"{service}:{operation_model.name}"
    status, body = response_dict["status_code"], response_dict["body"]
    if status >= 300:
        look_at_error(service, name, status, body)
        return
    want = operation_model.http.get("responseCode", 200)
    partial = service == "s3" and status == 206
    no_body = service == "s3" and status == 204
    if status != want and not partial and not no_body:
        raise Difference(f"{name}: status {status}, the model says {want}")
    SEEN[name] += 1
    shape = operation_model.output_shape
    protocol = operation_model.service_model.metadata["protocol"]
    if protocol == "ec2":
        look_at_ec2(operation_model, shape, body)
    elif protocol == "query":
        look_at_query(operation_model, shape, body)
    elif operation_model.has_streaming_output:
        check(isinstance(body, object), name, "no body")
    elif protocol == "rest-xml":
        look_at_s3(name, shape, body)
    elif body:
        look_at_json(name, shape, json.loads(body))


def check(true, where, what):
    """Ends the program unless something is true."""
    if not true:
        raise Difference(f"{where}: {what}")


def look_at_error(service, name, status, body):
    """Looks at the form of a refusal."""
    if service == "ec2":
        root = ElementTree.fromstring(body)
        check(root.tag == "Response", name, f"error root {root.tag}")
        check(root.findtext("RequestID"), name, "no RequestID")
        error = root.find("Errors/Error")
        check(error is not None and error.findtext("Code"), name, "no Code")
        check(error.findtext("Message") is not None, name, "no Message")
        check(status in (400, 401, 403, 412, 500, 503), name, f"status {status}")
    elif service == "autoscaling":
        root = ElementTree.fromstring(body)
        check(local(root.tag) == "ErrorResponse", name, f"error root {root.tag}")
        parts = {local(child.tag): child.text for child in root.iter()}
        for part in ("Type", "Code", "Message", "RequestId"):
            check(parts.get(part), name, f"no {part}")
        check(status in (400, 403, 500, 503), name, f"status {status}")
    elif service == "s3":
        if body:
            root = ElementTree.fromstring(body)
            check(root.tag == "Error" and root.findtext("Code"), name, "no Code")
    elif service == "ssm":
        error = json.loads(body)
        check("__type" in error and "message" in error, name, f"error {error}")
        check(status in (400, 500, 503), name, f"status {status}")
    elif service == "ebs":
        error = json.loads(body)
        check("Message" in error or "message" in error, name, f"error {error}")


def local(tag):
    """A tag without its name space."""
    return tag.rsplit("}", 1)[-1]


def look_at_ec2(operation_model, shape, body):
    """Looks at an answer of the query protocol."""
    name = operation_model.name
    root = ElementTree.fromstring(body)
    check(root.tag == "{http://ec2.amazonaws.com/doc/2016-11-15/}" + name + "Response", name, f"root {root.tag}")
    children = [child for child in root if local(child.tag) != "requestId"]
    check(len(children) == len(root) - 1, name, "not one requestId")
    if shape is None:
        # Calls without an output say that they did it all the same.
        check([local(child.tag) for child in children] in ([], ["return"]), name, "an output that the model lacks")
        return
    walk_structure(name, shape, children, "ec2")


def look_at_query(operation_model, shape, body):
    """Looks at an answer of the other query protocol, which wraps its result."""
    name = operation_model.name
    root = ElementTree.fromstring(body)
    check(root.tag == "{http://autoscaling.amazonaws.com/doc/2011-01-01/}" + name + "Response", name, f"root {root.tag}")
    metadata = [child for child in root if local(child.tag) == "ResponseMetadata"]
    check(len(metadata) == 1 and [local(child.tag) for child in metadata[0]] == ["RequestId"], name, "no RequestId")
    results = [child for child in root if local(child.tag) != "ResponseMetadata"]
    if shape is None:
        check(not results, name, "an output that the model lacks")
        return
    check([local(child.tag) for child in results] == [shape.serialization["resultWrapper"]], name, "not one result")
    walk_structure(name, shape, list(results[0]), "query")
    for member in shape.required_members:
        check(any(local(child.tag) == member for child in results[0]), name, f"no {member}")


def look_at_s3(name, shape, body):
    """Looks at an answer in XML."""
    if shape is None or not body:
        return
    root = ElementTree.fromstring(body)
    if name == "s3:GetBucketLocation":
        # The one answer whose root is its only member.
        check(local(root.tag) == "LocationConstraint", name, f"root {root.tag}")
        return
    payload = shape.serialization.get("payload")
    walk_structure(name, shape.members[payload] if payload else shape, list(root), "s3")


def walk_structure(where, shape, children, protocol):
    """Every child is a member, and of its type."""
    members = {}
    for member, member_shape in shape.members.items():
        wire = member_shape.serialization.get("name", member)
        if member_shape.type_name == "list" and member_shape.serialization.get("flattened"):
            wire = member_shape.serialization.get("name") or member_shape.member.serialization.get("name", member)
        members[wire] = member_shape
    seen = collections.Counter()
    for child in children:
        tag = local(child.tag)
        check(tag in members, where, f"<{tag}> is no member of {shape.name}")
        member = members[tag]
        seen[tag] += 1
        flat = member.type_name == "list" and member.serialization.get("flattened")
        check(flat or seen[tag] == 1, where, f"<{tag}> is there twice")
        walk(f"{where}.{tag}", member.member if flat else member, child, protocol)


def walk(where, shape, element, protocol):
    """An element is of its type."""
    kind, text = shape.type_name, element.text or ""
    if kind == "structure":
        walk_structure(where, shape, list(element), protocol)
    elif kind == "list":
        item = shape.member.serialization.get("name", "item" if protocol == "ec2" else "member")
        for child in element:
            check(local(child.tag) == item, where, f"<{local(child.tag)}> in a list of <{item}>")
            walk(f"{where}[]", shape.member, child, protocol)
    else:
        check(len(element) == 0, where, "elements where a value should be")
        walk_text(where, shape, text)


def walk_text(where, shape, text):
    """A text is of its type."""
    kind = shape.type_name
    if kind == "boolean":
        check(text in ("true", "false"), where, f"{text!r} is no truth value")
    elif kind in ("integer", "long"):
        check(re.fullmatch(r"-?\d+", text), where, f"{text!r} is no number")
    elif kind in ("float", "double"):
        float(text)
    elif kind == "timestamp":
        check(ISO.fullmatch(text), where, f"{text!r} is no time")
    elif kind == "string" and getattr(shape, "enum", None):
        # The model calls some lists of words closed that grow with the service.
        grows = shape.name in ("InstanceType", "BucketLocationConstraint")
        check(grows or text in shape.enum, where, f"{text!r} is none of {shape.enum}")


def look_at_json(where, shape, value):
    """A value of JSON is of its type. EBS writes nulls for what is not there."""
    if value is None:
        return
    kind = shape.type_name if shape is not None else "structure"
    if kind == "structure":
        check(isinstance(value, dict), where, f"{value!r} is no structure")
        wire = {} if shape is None else {s.serialization.get("name", n): s for n, s in shape.members.items()}
        for key, entry in value.items():
            check(key in wire, where, f"{key} is no member")
            look_at_json(f"{where}.{key}", wire[key], entry)
        if shape is not None:
            missing = [n for n in shape.required_members if n not in value]
            check(not missing, where, f"{missing} missing")
    elif kind == "list":
        check(isinstance(value, list), where, f"{value!r} is no list")
        for entry in value:
            look_at_json(f"{where}[]", shape.member, entry)
    elif kind == "boolean":
        check(isinstance(value, bool), where, f"{value!r} is no truth value")
    elif kind in ("integer", "long"):
        check(isinstance(value, int) and not isinstance(value, bool), where, f"{value!r} is no number")
    elif kind in ("float", "double", "timestamp"):
        check(isinstance(value, (int, float)) and not isinstance(value, bool), where, f"{value!r} is no number")
    elif kind == "string":
        check(isinstance(value, str), where, f"{value!r} is no text")
        check(not getattr(shape, "enum", None) or value in shape.enum, where, f"{value!r} is none of {shape.enum}")
