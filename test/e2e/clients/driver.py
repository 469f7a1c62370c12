"""Runs the stock clients' commands one after another in one process, since starting Python for each takes seconds.

Reads lines of JSON, {"client": "openstack" | "cinder", "argv": [...]} or {"commands": "openstack" | "beside" | "identity" | "cinder"}, and answers
each with one: {"code", "stdout", "stderr"}, or {"commands": [...]}. Of "openstack" these are block storage's and those that ask
every service, of "beside" images' and those that give servers volumes, of "identity" its own.
"""

import contextlib
import importlib.metadata
import io
import json
import logging
import sys

import cinderclient.api_versions
import cinderclient.shell
import openstackclient.shell

def openstack_commands(*groups):
    points = [point for group in groups for point in importlib.metadata.entry_points(group=group)]
    return sorted(point.name.replace("_", " ") for point in points)


def commands_of(client):
    if client == "openstack":
        return openstack_commands("openstack.volume.v3", "openstack.common")
    if client == "identity":
        return openstack_commands("openstack.identity.v3")
    if client == "beside":
        of_servers = openstack_commands("openstack.compute.v2")
        return openstack_commands("openstack.image.v2") + [name for name in of_servers if " volume" in name]
    shell = cinderclient.shell.OpenStackCinderShell()
    newest = cinderclient.api_versions.APIVersion(cinderclient.api_versions.MAX_VERSION)
    shell.get_subcommand_parser(newest, False, [])
    return sorted(shell.subcommands)


def run(client, argv):
    if client == "openstack":
        return openstackclient.shell.OpenStackShell().run(argv)
    cinderclient.shell.OpenStackCinderShell().main(argv)
    return 0


def answer(client, argv):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(client, argv)
        except SystemExit as end:
            code = end.code
        except Exception as error:
            code = 1
            print(f"ERROR: {error}", file=err)
        finally:
            logging.getLogger().handlers[:] = [logging.NullHandler()]
    return {"code": code or 0, "stdout": out.getvalue(), "stderr": err.getvalue()}


# A command's own handlers would outlive it here, and tell of every later one.
logging.disable(logging.INFO)
logging.getLogger().addHandler(logging.NullHandler())
real_stdout = sys.stdout
for line in sys.stdin:
    wanted = json.loads(line)
    if "commands" in wanted:
        told = {"commands": commands_of(wanted["commands"])}
    else:
        told = answer(wanted["client"], wanted["argv"])
    print(json.dumps(told), file=real_stdout, flush=True)
