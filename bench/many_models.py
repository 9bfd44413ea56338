"""Fifty models of one shape, each with a name and a process of its own."""

from bench.served import IndexedNote

MODELS: list[type[IndexedNote]] = []
for _number in range(50):
    _name = f"Note{_number}"
    _model: type[IndexedNote] = type(_name, (IndexedNote,), {"__module__": __name__})
    globals()[_name] = _model  # the processes find a model by its module and its name
    MODELS.append(_model)
