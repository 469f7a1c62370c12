"""What a service with os-brick does on its host: run by test/lab/os-brick.test.ts on the compute node, as root.

os-brick.py VERB reads one JSON document and writes one:
  properties  {ip}                            the connector, as it goes into an attachment
  connect     {connection, multipath}         what os-brick says of the device
  extend      {connection, multipath}         the size in bytes that the host sees
  disconnect  {connection, multipath, device}
"""
import json
import os
import sys

import os_brick
from os_brick.initiator import connector
from os_brick.privileged import default
from oslo_concurrency import lockutils
from oslo_config import cfg

# Root already: no helper that would become it.
default.set_client_mode(False)
locks = '/run/os-brick'
os.makedirs(locks, exist_ok=True)
cfg.CONF([], project='os-brick', default_config_files=[])
lockutils.set_defaults(locks)
os_brick.setup(cfg.CONF)

given = json.load(sys.stdin)
verb = sys.argv[1]
if verb == 'properties':
    answer = connector.get_connector_properties('', given['ip'], False, False)
else:
    connection = given['connection']
    initiator = connector.InitiatorConnector.factory(
        connection['driver_volume_type'].upper(), '', use_multipath=given['multipath'])
    if verb == 'connect':
        answer = initiator.connect_volume(connection)
    elif verb == 'extend':
        answer = initiator.extend_volume(connection)
    else:
        answer = initiator.disconnect_volume(connection, given['device'])
print(json.dumps(answer))
