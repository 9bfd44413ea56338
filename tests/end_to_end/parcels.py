"""The application of the full-disk test: its data is in `disk`, a small file system."""

from lithair import Lithair, Model, Pinned, retention


@retention(memory=5)
class Parcel(Model):
    label: Pinned[str]
    body: str


app = Lithair().with_model(Parcel, "./disk/parcels", "/api/parcels")
