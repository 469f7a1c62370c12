#!/bin/sh
# The way back on the storage node: unexport.sh NAME INDEX TARGET INITIATOR PORTAL
set -eu
name=$1 index=$2 target=$3 initiator=$4 portal=$5
cd "/sys/kernel/config/target/iscsi/$target/tpgt_1"
echo 0 >enable
rm "acls/$initiator/lun_0/lun"
rmdir "acls/$initiator/lun_0" "acls/$initiator"
rm lun/lun_0/backstore
rmdir lun/lun_0 "np/$portal"
cd /sys/kernel/config/target
rmdir "iscsi/$target/tpgt_1" "iscsi/$target" "core/iblock_$index/$name" "core/iblock_$index"
