"""deploy/compose.yaml and deploy/kubernetes.yaml: what they say, by their own schemas and ours."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lithair.config import SETTINGS
from tests.tidy.source import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS: dict[str, dict[str, Any]] = {
    each["kind"]: each
    for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
}
STOP_MIN_S = 40  # the steps of a stop in order: docs/processes.md
SCHEMA = json.loads(Path(__file__).with_name("kubernetes-1.37.schema.json").read_text("utf-8"))


def uid_of_the_image() -> int:
    found = re.search(r"useradd .*--uid (\d+) --gid (\d+)", DOCKERFILE)
    assert found is not None
    assert found[1] == found[2]
    return int(found[1])


def compose_understands() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    asked = [docker, "compose", "version"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not compose_understands(), reason="docker compose is not installed")
def test_docker_compose_understands_every_line() -> None:
    secrets = {"LT_ADMIN_TOKEN": "a", "GRAFANA_PASSWORD": "b"}
    subprocess.run(
        ["docker", "compose", "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet"],
        env={**os.environ, **secrets},
        timeout=60,
        check=True,
    )


def test_what_compose_mounts_and_builds_is_there_and_only_this_machine_reaches_it() -> None:
    volumes = set(COMPOSE["volumes"])
    for name, service in COMPOSE["services"].items():
        for mount in service["volumes"]:
            source, _, rest = mount.partition(":")
            if source.startswith("."):
                assert (DEPLOY / source).is_dir(), mount
                assert rest.endswith(":ro"), mount
            else:
                assert source in volumes, mount
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert service["logging"]["options"]["max-size"], name  # no log grows without an end
    build = COMPOSE["services"]["app"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_the_container_of_compose_may_write_to_its_data_and_its_sockets_and_nowhere_else() -> None:
    app = COMPOSE["services"]["app"]
    assert app["read_only"] is True
    assert app["cap_drop"] == ["ALL"]
    uid = uid_of_the_image()
    assert app["tmpfs"] == [f"/run/lithair:uid={uid},gid={uid},mode=0700"]
    assert [mount.partition(":")[2] for mount in app["volumes"]] == ["/data"]
    assert int(app["stop_grace_period"].removesuffix("s")) >= STOP_MIN_S
    variables = {setting.variable for setting in SETTINGS.values()}
    assert set(app["environment"]) <= variables


@pytest.mark.parametrize("kind", ["Service", "StatefulSet", "Ingress"])
def test_kubernetes_knows_every_word_of_the_manifests(kind: str) -> None:
    schema = {**SCHEMA, "$ref": f"#/$defs/{SCHEMA['kinds'][kind]}"}
    jsonschema.validate(MANIFESTS[kind], schema)
    # The schema is strict: it would have seen a misspelt word.
    misspelt = {**MANIFESTS[kind], "spec": {**MANIFESTS[kind]["spec"], "replica": 1}}
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        jsonschema.validate(misspelt, schema)


def test_kubernetes_runs_one_replica_on_a_volume_and_asks_it_how_it_is() -> None:
    stateful = MANIFESTS["StatefulSet"]["spec"]
    pod = stateful["template"]["spec"]
    (container,) = pod["containers"]
    assert stateful["replicas"] == 1
    (claim,) = stateful["volumeClaimTemplates"]
    places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert places == {claim["metadata"]["name"]: "/data", "run": "/run/lithair"}
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert pod["terminationGracePeriodSeconds"] >= STOP_MIN_S
    variables = {setting.variable for setting in SETTINGS.values()}
    assert {variable["name"] for variable in container["env"]} <= variables


def test_the_pod_of_kubernetes_is_closed_as_far_as_it_goes() -> None:
    pod = MANIFESTS["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    uid = uid_of_the_image()
    closed = pod["securityContext"]
    assert {closed[name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {uid}
    assert closed["runAsNonRoot"] is True
    assert closed["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_services_and_ingress_of_kubernetes_lead_to_the_pod() -> None:
    template = MANIFESTS["StatefulSet"]["spec"]["template"]
    (port,) = MANIFESTS["Service"]["spec"]["ports"]
    (container,) = template["spec"]["containers"]
    names = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert names[port["targetPort"]] == port["port"]
    assert MANIFESTS["Service"]["spec"]["selector"] == template["metadata"]["labels"]
    assert (
        MANIFESTS["StatefulSet"]["spec"]["serviceName"] == MANIFESTS["Service"]["metadata"]["name"]
    )
    (rule,) = MANIFESTS["Ingress"]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {
        "name": MANIFESTS["Service"]["metadata"]["name"],
        "port": {"number": port["port"]},
    }
