r"""TeX formulas as MathML, which browsers draw without a script and without a network.

What the converter makes is built anew from the few elements and attributes below, with every text
escaped: ``\text{<b>}`` or ``\href`` of a student's answer cannot become a part of the page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element

ELEMENT_NAMES = """math mrow mi mn mo mtext mspace mfrac msqrt mroot msup msub msubsup munder
mover munderover mtable mtr mtd mstyle"""
ATTRIBUTE_NAMES = """accent accentunder columnalign display displaystyle fence form largeop lspace
mathvariant maxsize minsize movablelimits rspace scriptlevel separator stretchy width"""
ELEMENTS, ATTRIBUTES = set(ELEMENT_NAMES.split()), set(ATTRIBUTE_NAMES.split())
VALUE = re.compile(r"[a-z -]{1,40}|\d{0,2}(\.\d{1,4})?(em|ex|px|pt|%)?")
ESCAPED = re.compile(r"\\([_%#&$])")
LONGEST = 2_000  # characters of one formula


def _pieces(element: Element) -> Iterator[str]:
    """The text of one element, its children between its tags where it may stand on a page."""
    known = element.tag in ELEMENTS
    if known:
        kept = ((k, v) for k, v in element.attrib.items() if k in ATTRIBUTES and VALUE.fullmatch(v))
        yield "".join(["<", element.tag, *(f' {name}="{value}"' for name, value in kept), ">"])
    if element.text:  # names come as entities, and \\_ in a \\text as it was written
        yield html.escape(ESCAPED.sub(r"\1", html.unescape(element.text)))
    for child in element:
        yield from _pieces(child)
    if known:
        yield f"</{element.tag}>"


def mathml(tex: str, block: bool = False) -> str | None:
    """A formula, without its dollar signs, as MathML; None where the converter cannot read it."""
    if len(tex) > LONGEST:
        return None
    try:
        return "".join(_pieces(convert_to_element(tex, display="block" if block else "inline")))
    except Exception:  # unbalanced braces, unknown environments, nesting without end
        return None
