"""A whole OpenStack Swift in one process, speaking S3 by TLS: swift.py FOLDER PORT CERT KEY

FOLDER/account holds the one line "ACCESS-KEY SECRET-KEY"; the access key is "project:user". SIGHUP has it read again.
Objects are kept in memory.
"""
import os
import signal
import sys

from swift.common import utils

utils.eventlet_monkey_patch()

import eventlet
import eventlet.hubs
from eventlet import wsgi
from swift.common.http_protocol import SwiftHttpProtocol
from swift.common.ring import RingBuilder
from swift.common.utils import NullLogger
from swift.common.wsgi import loadapp

folder, port, cert, key = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
eventlet.hubs.use_hub("poll")
utils.HASH_PATH_SUFFIX = b"one installation"

PROXY = """[pipeline:main]
pipeline = catch_errors s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_%s = %s .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""


def configured(name, text):
    path = os.path.join(folder, name + ".conf")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as conf:
        conf.write("[DEFAULT]\nswift_dir = %s\ndevices = %s/devices\nmount_check = false\n" % (folder, folder) + text)
    return path


class Memory:
    """What Swift asks of a memcached. Not a dict itself: an empty one would count as none."""

    def __init__(self):
        self.kept = {}

    def get(self, key, **_):
        return self.kept.get(key)

    def set(self, key, value, **_):
        self.kept[key] = value

    def delete(self, key, **_):
        self.kept.pop(key, None)


memory = Memory()


def proxy(env, start_response):
    env["swift.cache"] = memory
    return front(env, start_response)


def let_in(*_):
    """Takes the account from its file: at the start, and again after SIGHUP."""
    global front
    with open(os.path.join(folder, "account")) as account:
        access, secret = account.read().split()
    front = loadapp(configured("proxy-server", PROXY % (access.replace(":", "_"), secret)))


def serve(sock, app):
    eventlet.spawn(
        wsgi.server, sock, app, NullLogger(), protocol=SwiftHttpProtocol, capitalize_response_headers=False
    )


os.makedirs(os.path.join(folder, "devices", "disk"), exist_ok=True)
for name, app in (("account", "account"), ("container", "container"), ("object", "mem_object")):
    sock = eventlet.listen(("127.0.0.1", 0))
    ring = RingBuilder(4, 1, 0)
    where = {"ip": "127.0.0.1", "port": sock.getsockname()[1], "device": "disk", "region": 1, "zone": 1}
    ring.add_dev({**where, "replication_ip": where["ip"], "replication_port": where["port"], "weight": 1})
    ring.rebalance()
    ring.get_ring().save(os.path.join(folder, name + ".ring.gz"))
    text = "[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\n" % (name, name, app)
    serve(sock, loadapp(configured(name + "-server", text)))

let_in()
signal.signal(signal.SIGHUP, let_in)
sock = eventlet.listen(("127.0.0.1", port))
serve(eventlet.wrap_ssl(sock, certfile=cert, keyfile=key, server_side=True), proxy)
while True:
    eventlet.sleep(3600)
