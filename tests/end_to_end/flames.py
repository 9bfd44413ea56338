"""The application that 200 readers follow while its processes are killed."""

from lithair import Lithair, Model, Pinned


class Flame(Model):
    heat: Pinned[int]
    text: str


app = Lithair().with_model(Flame, "./data/flames", "/api/flames").with_gateways(2)

if __name__ == "__main__":
    app.serve()
