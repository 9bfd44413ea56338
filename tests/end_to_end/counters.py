"""The application of the restart test: each item counts what its one client has written."""

from lithair import Lithair, Model


class Counter(Model):
    n: int
    note: str = ""


app = Lithair().with_model(Counter, "./data/counters", "/api/counters").with_data_admin()
