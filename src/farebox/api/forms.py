"""Bodies of forms as pairs of texts, whichever of the two media types they have.

Files in a form are refused. UnicodeDecodeError says that something is not UTF-8, any other
ValueError that the body is no such form or has too many fields. What names mean is not known here.
"""

from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

Pairs = list[tuple[str, str]]


def urlencoded(text: bytes, fields_max: int) -> Pairs:
    """The pairs of a query string or of an application/x-www-form-urlencoded body."""
    return parse_qsl(
        text.decode(), keep_blank_values=True, errors="strict", max_num_fields=fields_max
    )


def multipart(body: bytes, parameters: str, fields_max: int) -> Pairs:
    """The pairs of a multipart/form-data body; `parameters` are those of its content type."""
    head = f"Content-Type: multipart/form-data; {parameters}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        # Without a field some clients send the last boundary alone.
        line = message.get_boundary()
        if line and body.strip() == f"--{line}--".encode():
            return []
        raise ValueError("not multipart/form-data")
    pairs = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if name is None or part.get_filename() is not None or not isinstance(content, bytes):
            raise ValueError("a part that is no text with a name")
        pairs.append((str(name), content.decode()))
        if len(pairs) > fields_max:
            raise ValueError("too many parts")
    return pairs
