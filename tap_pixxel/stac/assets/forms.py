"""Forms of assets and bands: one function per set of member names, made once.

The names of members repeat from asset to asset, even when every value differs. So one function is
made for each tuple of names, from the tables of parsers. It tests each value inline, returns values
that their parser would return unchanged, and passes any other value to the parser. An asset that
needs more than parsed values, notes and omissions is left to `convert.convert_asset`.

The source of a function contains no text of the input: only names of the tables, and bounds.
Members without a parser stay outside the function, so the tables limit the number of functions.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_pixxel.stac.assets.bands import (
    BAND_ALIASES,
    BAND_LISTS,
    BAND_PARSERS,
    CENTER_WAVELENGTH,
    FWHM,
)
from tap_pixxel.stac.assets.media_types import parse_asset_type
from tap_pixxel.stac.assets.wavelengths import MAX_FWHM, MAX_RELATIVE_FWHM, MIN_FWHM
from tap_pixxel.stac.extensions import PARSERS, used_extensions
from tap_pixxel.stac.object_builder import safe_prefixed_name
from tap_pixxel.stac.parsers import (
    MARKERS,
    NumberParser,
    TableParser,
    is_plain_value,
    parse_text,
    parse_text_list,
    sanitize_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_pixxel.stac.parsers import Parser

ASSET_PARSERS: dict[str, Parser] = PARSERS["assets"] | {"type": parse_asset_type}
MAX_FORMS = 2048
"""Forms to keep for assets, and for the bands in each combination of lists."""
MAX_FUNCTIONS = 512
"""Functions that a process makes; assets with further sets of names are converted carefully."""
NUMBER_TEST = "(type(x) is float or type(x) is int) and {low} <= x <= {high}"
TEXT_TEST = (
    "type(x) is str and x.isascii() and (x.isalnum() or x and '://' not in x and x.strip() == x)"
)
TEXT_LIST_TEST = (
    "type(x) is list and len(x) == 1 and type(x[0]) is str and x[0].isalnum() and x[0].isascii()"
)
FWHM_TEST = "type(x) is float and {low} <= x <= {high} and not reader.in_nanometres"
"""Tests of a value `x`; a parser returns a value that passes its test unchanged."""


class Step(NamedTuple):
    """One member of an object, and how it is parsed.

    Attributes:
        target: The output's field.
        source: The input's member.
        parser: The parser of the field.
        part: Index of the object with this member, among the objects that make up a band.
        list_name: The list of bands that this object is from; empty for an asset.
    """

    target: str
    source: str
    parser: Parser
    part: int = 0
    list_name: str = ""


class Form(NamedTuple):
    """How to read objects with the same names of members.

    Attributes:
        read: Returns the fields, with None for omitted ones; or None for an object that has to be
            converted carefully.
        extensions: Prefixes of the extensions of these fields.
        extras: Members without a parser: part, source, and name in the output.
    """

    read: Callable[..., dict[str, Any] | None]
    extensions: frozenset[str]
    extras: tuple[tuple[int, str, str], ...]

    def add_extras(self, fields: dict[str, Any], *parts: dict[str, Any]) -> bool:
        """Add the members without a parser; return whether all are usable without a note."""
        for part, source, name in self.extras:
            value = parts[part][source]
            if is_plain_value(value):
                fields[name] = value
            elif value is not None:
                value = sanitize_json(value)
                if type(value) in MARKERS:
                    return False
                fields[name] = value
        return True


@lru_cache(1024)
def extensions_of(*names: str) -> frozenset[str]:
    """Return the prefixes of the extensions with these fields."""
    return frozenset(used_extensions(dict.fromkeys(names)))


class _Forms(dict[tuple[Any, ...], "Form | None"]):
    """Forms by names; a missing form is made, and kept while there is room."""

    def __missing__(self, names: tuple[Any, ...]) -> Form | None:
        form = self.make(names)
        if len(self) < MAX_FORMS:
            self[names] = form
        return form

    def make(self, names: tuple[str, ...]) -> Form | None:
        """Make the form of assets with these members; None if they must be converted carefully."""
        members = [(0, "", name) for name in names if name not in BAND_LISTS and name != "href"]
        lists = tuple(name for name in BAND_LISTS if name in names)
        return _make_form(members, {}, ASSET_PARSERS, lists=lists)


class BandForms(_Forms):
    """Forms of bands by the names of their parts in some lists, with None between two parts."""

    def __init__(self, lists: tuple[str, ...]) -> None:
        super().__init__()
        self._lists = lists

    def make(self, names: tuple[str | None, ...]) -> Form | None:
        """Make the form of bands with these members; None if they must be converted carefully."""
        part, members = 0, []
        for name in names:
            if name is None:
                part += 1
            else:
                members.append((part, self._lists[part], name))
        return _make_form(members, BAND_ALIASES, BAND_PARSERS, parts=len(self._lists))


asset_forms = _Forms()
band_forms = {
    lists: BandForms(lists) for size in (1, 2, 3) for lists in combinations(BAND_LISTS, size)
}


def _make_form(
    members: Iterable[tuple[int, str, str]],
    aliases: Mapping[str, str],
    parsers: Mapping[str, Parser],
    lists: tuple[str, ...] = (),
    parts: int = 0,
) -> Form | None:
    steps = []
    extras: dict[str, tuple[int, str, str]] = {}
    for part, list_name, source in members:
        target = aliases.get(source) or source
        parser = parsers.get(target)
        if parser is not None:
            steps.append(Step(target, source, parser, part, list_name))
            continue
        name = safe_prefixed_name(source)
        if name in extras or name in parsers or name == "bands":
            return None  # two members with one name: their values have to be compared
        extras[name] = part, source, name
    read = _make_function(tuple(steps), lists, parts)
    if read is None:
        return None
    return Form(read, extensions_of(*(step.target for step in steps)), tuple(extras.values()))


_functions: dict[tuple[tuple[Step, ...], tuple[str, ...], int], Any] = {}


def _make_function(steps: tuple[Step, ...], lists: tuple[str, ...], parts: int) -> Any:  # noqa: ANN401 - see Form.read
    key = (steps, lists, parts)
    if key not in _functions:
        if len(_functions) >= MAX_FUNCTIONS:
            return None
        writer = _BandFunction(steps, parts) if parts else _AssetFunction(steps, lists)
        _functions[key] = writer.compile()
    return _functions[key]


class _Function:
    """The source of one function, and its constants."""

    arguments: tuple[str, ...] = ("part0", "reader")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._constants: dict[str, Any] = {}
        self._values: dict[str, str] = {}  # local variable by target

    def compile(self) -> Any:  # noqa: ANN401 - see Form.read
        """Compile the function."""
        body = "\n  ".join([*self._lines, f"return {self._display(self._values)}"])
        source = (
            f"def make({', '.join(self._constants)}):\n"
            f" def read({', '.join(self.arguments)}):\n  {body}\n return read"
        )
        space: dict[str, Any] = {}
        exec(source, space)  # noqa: S102 - the source contains no text of the input
        return space["make"](**self._constants)

    def _display(self, values: Mapping[str, str]) -> str:
        fields = ", ".join(f"{self._add_constant(name)}: {v}" for name, v in values.items())
        return f"{{{fields}}}"

    def _add_constant(self, value: object) -> str:
        if isinstance(value, str | int | float):
            return repr(value)  # a name of our tables, or a bound
        name = f"c{len(self._constants)}"
        self._constants[name] = value
        return name

    def _add_value(self, step: Step) -> None:
        """Read a member into a variable: by an inline test, or else by its parser."""
        v = f"v{len(self._values)}"
        parser, parse = step.parser, f"reader.parse({self._add_constant(step)}, x)"
        self._lines.append(f"x = part{step.part}[{self._add_constant(step.source)}]")
        if isinstance(parser, TableParser):
            table = self._add_constant(parser.table)
            self._lines.append(f"{v} = {table}.get(x) if type(x) is str else None")
            self._lines.append(f"if {v} is None: {v} = {parse}")
            if any(type(each) is not str for each in parser.table.values()):
                unwrap = parse.replace(".parse(", ".unwrap(").replace(", x)", f", x, {v})")
                self._lines.append(f"elif type({v}) is not str: {v} = {unwrap}")
        elif isinstance(parser, NumberParser):
            low, high = self._add_constant(parser.low), self._add_constant(parser.high)
            self._lines.append(f"{v} = x if {NUMBER_TEST.format(low=low, high=high)} else {parse}")
        elif parser is parse_text:
            self._lines.append(f"{v} = x if {TEXT_TEST} else {parse}")
        elif parser is parse_text_list:
            self._lines.append(f"{v} = x.copy() if {TEXT_LIST_TEST} else {parse}")
        else:
            self._lines.append(f"{v} = {parse}")
        self._values[step.target] = v


class _AssetFunction(_Function):
    """A function that reads an asset; each band is read by a form of its own."""

    arguments = ("part0", "reader", "assets", "href")

    def __init__(self, steps: tuple[Step, ...], lists: tuple[str, ...]) -> None:
        super().__init__()
        self._values["href"] = "href"
        for step in steps:
            self._add_value(step)
        if lists:
            self._add_bands(lists)

    def _add_bands(self, lists: tuple[str, ...]) -> None:
        """Read the bands, without a loop if each list has one band, as usual."""
        raw = [f"list{number}" for number in range(len(lists))]
        for each, name in zip(raw, lists, strict=True):
            self._lines.append(f"{each} = part0[{self._add_constant(name)}]")
        tests = [
            f"type({each}) is list and len({each}) == 1 and type({each}[0]) is dict" for each in raw
        ]
        parts = [f"{each}[0]" for each in raw]
        names = ", None, ".join(f"*{part}" for part in parts)
        forms, roles = self._add_constant(band_forms[lists]), self._values.get("roles")
        self._lines += [
            f"if {' and '.join(tests)}:",
            f" form = {forms}[{names},]",
            f" band = form and form.read({', '.join(parts)}, assets.band)",
            " if band is None or not assets.band.is_complete or form.extras or assets.factors:",
            f"  band = assets.finish_band(form, band, {roles}, {', '.join(parts)})",
            "  if band is None: return None",
            " else: assets.extensions.add(form.extensions)",
            " bands = [band] if band else None",
            "else:",
            f" bands = assets.read_bands({forms}, {roles}, {', '.join(raw)})",
            " if bands is None: return None",
            "if not bands: bands = None; reader.is_complete = False",
        ]
        self._values["bands"] = "bands"


class _BandFunction(_Function):
    """A function that reads a band from its parts, in the order of the table of fields."""

    def __init__(self, steps: tuple[Step, ...], parts: int) -> None:
        super().__init__()
        self.arguments = (*(f"part{part}" for part in range(parts)), "reader")
        self._lines.append("reader.in_nanometres = False")
        # The width is read last, because its limit depends on the wavelength.
        for step in sorted(steps, key=lambda step: step.target == FWHM):
            if step.target in self._values:
                self._add_comparison(step)
            elif step.target == FWHM:
                self._add_fwhm(step)
            else:
                self._add_value(step)
                if step.target == CENTER_WAVELENGTH:
                    self._lines[-1] = self._lines[-1].replace(".parse(", ".parse_wavelength(")
        self._values = {name: self._values[name] for name in BAND_PARSERS if name in self._values}
        others = {name: v for name, v in self._values.items() if name != FWHM}
        if len(others) < len(self._values) and extensions_of(*others) == extensions_of(
            *self._values
        ):
            # The API often states a width of 0 for an unknown width.
            self._lines.append("if fwhm is None and was_complete and not reader.builder.extras:")
            self._lines.append(f" reader.is_complete = True; return {self._display(others)}")

    def _add_fwhm(self, step: Step) -> None:
        center = self._values.get(CENTER_WAVELENGTH)
        low, high = self._add_constant(MIN_FWHM), self._add_constant(MAX_FWHM)
        test = FWHM_TEST.format(low=low, high=high)
        if center:
            test += f" and ({center} is None or x <= {MAX_RELATIVE_FWHM} * {center})"
        parse = f"reader.parse_fwhm({self._add_constant(step)}, x, {center})"
        self._lines.append(f"x = part{step.part}[{self._add_constant(step.source)}]")
        self._lines.append("was_complete = reader.is_complete")
        self._lines.append(f"fwhm = x if {test} else {parse}")
        self._values[FWHM] = "fwhm"

    def _add_comparison(self, step: Step) -> None:
        """Require that another member of a field has the same value as the first."""
        v = self._values[step.target]
        self._lines.append(f"x = part{step.part}[{self._add_constant(step.source)}]")
        self._lines.append(f"if type(x) is not type({v}) or x != {v}: return None")
