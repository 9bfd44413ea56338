"""`lithair openapi`: the OpenAPI document of an application.

Law: starts nothing and reads no data; it prints what /openapi.json answers.
"""

import os

import click
import msgspec


@click.command()
@click.argument("target")
def openapi(target: str) -> None:
    """Print the OpenAPI 3.1 document of TARGET: app.py, or module:app."""
    from lithair.cli.target import load
    from lithair.gateway.openapi.document import encoded

    declaration = load(target).declaration(os.environ, {})
    click.echo(msgspec.json.format(encoded(declaration)))
