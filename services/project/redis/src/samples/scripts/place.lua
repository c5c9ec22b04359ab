-- Where the partition is; nothing when it has no position.
return place() or {}
