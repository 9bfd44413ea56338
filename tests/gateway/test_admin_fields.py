"""What the admin API tells of fields: all there is to know, but nothing of what is hidden."""

from pathlib import Path
from typing import Annotated

import msgspec

from lithair import Hidden, Lithair, Model
from lithair.gateway.admin_fields import declaration_told

SECRET = "nobody-may-see-this"


class Seal(msgspec.Struct):
    text: str = SECRET


class Envelope(msgspec.Struct):
    seals: list[Seal] = []


class Stamp(msgspec.Struct, frozen=True):
    value: int = 70


class Parcel(Model):
    stamp: Annotated[Stamp, msgspec.Meta(description="on its front")] = Stamp()
    envelope: Hidden[Envelope | None] = None


def test_defaults_within_a_hidden_field_are_not_told(tmp_path: Path) -> None:
    app = Lithair().with_model(Parcel, tmp_path, "/parcels")
    (model,) = app.declaration({}, {}).models
    told = declaration_told(model)
    definitions = told["definitions"]
    assert isinstance(definitions, dict)
    assert definitions.keys() == {"Seal", "Envelope", "Stamp"}
    assert definitions["Seal"]["properties"] == {"text": {"type": "string"}}
    assert definitions["Stamp"]["properties"]["value"]["default"] == 70
    assert SECRET.encode() not in msgspec.json.encode(told)
