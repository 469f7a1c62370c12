#!/bin/sh
# The way back with targetcli: targetcli-unexport.sh NAME TARGET
set -eu
{
  targetcli /iscsi delete "$2"
  targetcli /backstores/block delete "$1"
} >/dev/null
