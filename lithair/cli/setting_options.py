"""Setting options: the settings as options of a command.

Owns one option per setting of `lithair.config` that is no secret (other users can read a command
line). Law: values are read and checked where all settings are.
"""

import click

from lithair.config import SETTINGS, option_of


def add_setting_options(command: click.Command) -> None:
    """Add every setting's option; its parameter is the setting's name, its value text or None."""
    for name, setting in SETTINGS.items():
        if not setting.is_secret:
            command.params.append(
                click.Option([option_of(name), name], metavar="VALUE", help=setting.form)
            )
