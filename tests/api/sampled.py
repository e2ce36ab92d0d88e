"""Aims made-up calls by calls that are in order: what those say under a name is said again.

For families whose rows are not declared as data. A value comes from the same operation if a call of
it is known, else from any call that has a member of that name; the rest stays as it was made up.
Nothing here knows what the answer should be.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from hypothesis import strategies as st

from tests.api.conftest import Api
from tests.api.mutate import Family, Valid
from tests.contract import Contract

# So few calls leave enough of the fixture for others.
RENEWED_AFTER = 25
# A member or argument of one operation, or of any.
Names = defaultdict[tuple[str, str], list[Any]]


class Sampled:
    """The aim of a family whose calls in order are known."""

    def __init__(self, api: Api, family: Family, samples: list[Valid], contract: Contract) -> None:
        self.prefix = family.prefix
        self.encodings = family.encodings
        self.is_far = family.is_far
        self._api = api
        self._family = family
        self._callers: Mapping[str, Mapping[str, str]] = {}
        self._number = self._made = 0
        self._said: Names = defaultdict(list)
        self._bodies: Names = defaultdict(list)
        self._who: Names = defaultdict(list)
        for sample in samples:
            self._learn(sample, contract)

    @classmethod
    async def made(cls, api: Api, family: Family, contract: Contract) -> "Sampled":
        """With the calls that the family has prepared."""
        return cls(api, family, await family.prepare(api), contract)

    def _learn(self, sample: Valid, contract: Contract) -> None:
        path = f"{self.prefix}{sample.path}"
        template = contract.template(path)
        segments = zip(template.split("/"), path.split("/"), strict=True) if template else ()
        said = [(part, unquote(value)) for part, value in segments if part.startswith("{")]
        said = [(part.strip("{}"), value) for part, value in said]
        said += parse_qsl(sample.query)
        if isinstance(sample.body, dict):
            said += sample.body.items()
        if sample.body is not None:
            self._bodies[sample.method, template].append(sample.body)
        self._who[sample.method, template].append(sample.who)
        for name, value in said:
            for where in (template, ""):
                if value not in self._said[where, name]:
                    self._said[where, name].append(value)

    async def begin(self) -> None:
        """The fixture as it was, where calls use it up."""
        if not self._callers or self._made >= RENEWED_AFTER:
            self._callers, self._made = await self._family.renew(self._api), 0

    def caller(self, draw: Any, case: Any) -> tuple[str, Mapping[str, str]]:
        """Who has called it, else anybody, and a key that no other call has."""
        known = self._who.get((case.method.upper(), case.path), [])
        anybody = not known or draw(st.integers(0, 4)) == 0
        who = draw(st.sampled_from(sorted(self._callers) if anybody else known))
        self._number += 1
        self._made += 1
        key = {"Idempotency-Key": f"made {self._number}"} if self._family.sends_keys else {}
        return who, {**self._callers[who], **key}

    def path(self, draw: Any, case: Any) -> dict[str, str]:
        """What calls in order have in the same places."""
        return {
            name: str(self._value(draw, case, name, value))
            for name, value in case.path_parameters.items()
        }

    def query(self, draw: Any, case: Any) -> dict[str, Any]:
        """What calls in order ask for; page lengths stay small numbers."""
        drawn = case.query or {}
        return {name: self._value(draw, case, name, value) for name, value in drawn.items()}

    def body(self, draw: Any, case: Any, schema: Mapping[str, Any]) -> Any:
        """A body that was in order with some of its members left out, replaced or added."""
        known = self._bodies.get((case.method.upper(), case.path))
        if not isinstance(case.body, dict) or (known and not isinstance(known[0], dict)):
            return draw(st.sampled_from(known)) if known else case.body
        whole = dict(draw(st.sampled_from(known))) if known else {}
        for name in draw(st.lists(st.sampled_from(sorted(schema["properties"])), max_size=3)):
            if name in case.body:
                whole[name] = self._value(draw, case, name, case.body[name])
            else:
                whole.pop(name, None)
        return whole if known else {**case.body, **whole}

    def _value(self, draw: Any, case: Any, name: str, made_up: Any) -> Any:
        own, any_ = self._said.get((case.path, name)), self._said.get(("", name))
        found = [value for value in (own, any_) if value]
        if not found or draw(st.integers(0, 9)) == 0:
            return made_up
        value = draw(st.sampled_from(draw(st.sampled_from(found))))
        return value if isinstance(value, str | int | float) else json.loads(json.dumps(value))
