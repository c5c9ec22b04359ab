//! Texts for `loki tree import --help`.

/// What `--format` takes.
pub const FORMAT_HELP: &str =
    "Syntax of FILE: `ini`, `yaml` (both of Ansible; its JSON is `yaml` too) or `csv`; by default its name and first line tell";

/// How a CSV file is written.
pub const CSV_HELP: &str = "\
CSV: a header, then a row for each mount of a server, or for a node.

  path,server,serial,addresses,idc,label.tier,label.rack
  /shop/web,,,,,front,
  /shop/web,web01,SN-1,10.0.0.1;2001:db8::1,bj1,,r7
  /canary,web01,,,,,
  ,spare01,SN-9,,bj1,,r9

  path         node of the tree below --under, made with the nodes above it; a row without server describes the node
  server       mounted on path; several rows are several mounts, one without path registers the server only
  serial       serial number
  addresses    separated by `;` or space
  idc          data centre
  label.<key>  a label, one column for each key

An empty cell says nothing; columns may come in any order; lines that begin with `#` are skipped.";

/// How inventories are understood; shown below the options.
pub const LONG_HELP: &str = "\
Ansible inventories: a group becomes a node, below its parent group; a group with several parents gets a node below each, a group \
without one is below --under. Hosts become servers, mounted on the nodes of the groups that name them (`/ungrouped` if none does). \
Variables of a group become labels of its nodes, variables of a host labels of the server. `ansible_host` and `addresses` become \
addresses, `serial_number` (or `serial`) and `idc` fields of the server; `idc` may come from a group. Ranges such as web[01:50] and \
db-[a:f] are expanded.

Folders group_vars/ and host_vars/ are not read: print a whole inventory with `ansible-inventory --list --yaml --export` and import \
that. (Without --export Ansible moves the variables of groups onto their hosts. Its JSON, without --yaml, is read too.)

Never imported, and told in a warning: other ansible_… variables, values of ansible-vault, templates, and variables that look like a \
secret, because what is imported stays in the log for ever. By the name, or a name within the value: password, passwd, passphrase, \
passcode, pass, pwd, pw, secret, token, credential, creds, cookie, psk, jwt, keytab, salt, SNMP's community, and keys that open something \
(auth_key, api_key, access_key, private_key, encryption_key, master_key, ssh_key and the like; not public_key or primary_key). By the value: \
private keys, well-known tokens, `--password …`, and addresses with a password (scheme://user:password@host, user:password@tcp(host)). \
A secret under another name is not recognized: look at what `--plan` shows first.

Nothing is removed or renamed. Importing a file twice, or after a half-finished run, only does what is missing.";
