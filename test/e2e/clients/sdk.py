"""openstacksdk's block storage proxy through a volume's life; ends with an error at the first thing that is not as it should be."""

import openstack

conn = openstack.connect()
storage = conn.block_storage


def until(resource, status):
    resource = resource.fetch(storage)
    return storage.wait_for_status(resource, status=status, failures=["error"], interval=1, wait=60)


volume = until(storage.create_volume(name="sdk", size=1, metadata={"tier": "gold"}), "available")
assert volume.size == 1 and volume.metadata["tier"] == "gold", volume
assert [each.id for each in storage.volumes(name="sdk")] == [volume.id]

storage.extend_volume(volume, 2)
assert until(volume, "available").size == 2

snapshot = until(storage.create_snapshot(volume_id=volume.id, name="shot"), "available")
assert storage.get_snapshot(snapshot.id).volume_id == volume.id

copy = until(storage.create_volume(name="copy", snapshot_id=snapshot.id, size=2), "available")
storage.delete_volume(copy)
storage.wait_for_delete(copy, interval=1, wait=60)

backup = until(storage.create_backup(volume_id=volume.id, name="saved"), "available")
storage.restore_backup(backup, volume_id=volume.id)
until(volume, "available")
until(backup, "available")
storage.delete_backup(backup)
storage.wait_for_delete(backup, interval=1, wait=60)

storage.delete_snapshot(snapshot)
storage.wait_for_delete(snapshot, interval=1, wait=60)
storage.delete_volume(volume)
storage.wait_for_delete(volume, interval=1, wait=60)
assert list(storage.volumes()) == []

volume_type = storage.create_type(name="sdk", extra_specs={"a": "b"})
assert storage.find_type("sdk").id == volume_type.id
storage.delete_type(volume_type)
assert any(pool.name for pool in storage.backend_pools())
assert conn.get_volume_limits()["absolute"]
print("done")
