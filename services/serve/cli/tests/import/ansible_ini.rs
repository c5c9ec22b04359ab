//! Ansible inventories in INI: what is read, and what is refused with its line.

use loki_cli::import::{Format, Options, read};

use crate::show;

fn check(text: &str, expected: &str) {
    show::check(Format::AnsibleIni, text, expected);
}

fn refused(text: &str, expected: &[&str]) {
    show::check_refused(Format::AnsibleIni, text, expected);
}

#[test]
fn groups_hosts_and_variables() {
    check(
        "\
# a comment
; another one
Bastion.acme.example ansible_host=10.0.0.9

[web]
web[1:2] rack=r7 note=\"two words\"  # why
web2 rack=r8 serial_number=SN-2 idc=bj1 addresses='10.0.0.1; 10.0.0.2 10.0.0.1'

[web:vars]   # what they share
tier = front
sizes = [1, 'b']
",
        "
        3 node /ungrouped
        5 node /web sizes=[1,\"b\"] tier=front
        3 server bastion.acme.example 10.0.0.9 @/ungrouped:3
        6 server web1 note=two words rack=r7 @/web:6
        6 server web2 serial:SN-2 idc:bj1 10.0.0.1 10.0.0.2 note=two words rack=r8 @/web:6
        ",
    );
}

#[test]
fn values_keep_their_spelling() {
    check(
        "[a]\nh v=1.10 x=0x1F t=True f=false n=None e= q='\"True\"' z=007 d=2024-01-01 h=a=b\n[a:vars]\nc=5 # five\nd=x # y\n",
        "
        1 node /a c=5 d=x # y
        2 server h d=2024-01-01 e= f=false h=a=b n= q=True t=true v=1.10 x=0x1F z=007 @/a:2
        ",
    );
}

#[test]
fn children_are_nested() {
    check(
        "[shop:children]\nweb\ndb # stores\n[web:children]\ncanary\n[db]\ndb1\n[canary]\nweb1\n[shop:vars]\nowner=ann\n",
        "
        1 node /shop owner=ann
        3 node /shop/db
        2 node /shop/web
        5 node /shop/web/canary
        7 server db1 @/shop/db:7
        9 server web1 @/shop/web/canary:9
        ",
    );
}

#[test]
fn a_group_with_several_parents_is_a_node_under_each() {
    check(
        "[a:children]\nx\n[b:children]\nx\n[x]\nh1\n[x:children]\ny\n[y]\nh2\n[y:vars]\nk=v\n[all:children]\nx\n",
        "
        1 node /a
        2 node /a/x
        8 node /a/x/y k=v
        3 node /b
        2 node /b/x
        8 node /b/x/y k=v
        6 server h1 @/a/x:6 @/b/x:6
        10 server h2 @/a/x/y:10 @/b/x/y:10
        ",
    );
}

#[test]
fn a_host_may_be_in_several_groups_and_leaves_ungrouped() {
    check(
        "h1 a=1\n[x]\nh1 a=2\nh1 b=3\n[y]\nH2\nh1\n",
        "
        2 node /x
        5 node /y
        1 server h1 a=2 b=3 @/x:3 @/y:7
        6 server h2 @/y:6
        ",
    );
}

#[test]
fn all_is_the_root() {
    check("[all]\nh1\n[all:vars]\nowner=ann\n", "1 node / owner=ann\n2 node /ungrouped\n2 server h1 @/ungrouped:2");
}

#[test]
fn unicode_names_and_line_ends() {
    check("\u{feff}[支付]\r\npay1 rack=x\r\n", "1 node /支付\n2 server pay1 rack=x @/支付:2");
}

#[test]
fn addresses_as_names() {
    check(
        "[a]\n10.0.0.[1:2]\n10.0.0.3 ansible_host=h3.acme.example\n",
        "
        1 node /a
        2 server 10.0.0.1 10.0.0.1 @/a:2
        2 server 10.0.0.2 10.0.0.2 @/a:2
        3 server 10.0.0.3 h3.acme.example @/a:3
    ",
    );
}

/// all < parent < child < host; among groups of one depth the priority, then the name.
#[test]
fn idc_follows_precedence() {
    check(
        "\
[all:vars]
idc=i0
[parent:children]
child
[parent:vars]
idc=i1
[child]
h2
h3 idc=i3
[child:vars]
idc=i2
[parent]
h1
[other]
h0
[p1]
h4
[p2]
h4
h5
[p3]
h5
[p1:vars]
idc=p1
ansible_group_priority=5
[p2:vars]
idc=p2
[p3:vars]
idc=p3
",
        "
        1 node / idc=i0
        14 node /other
        16 node /p1 idc=p1
        18 node /p2 idc=p2
        21 node /p3 idc=p3
        3 node /parent idc=i1
        4 node /parent/child idc=i2
        15 server h0 idc:i0 @/other:15
        13 server h1 idc:i1 @/parent:13
        8 server h2 idc:i2 @/parent/child:8
        9 server h3 idc:i3 @/parent/child:9
        17 server h4 idc:p1 @/p1:17 @/p2:19
        20 server h5 idc:p3 @/p2:20 @/p3:22
        ",
    );
}

#[test]
fn secrets_and_connection_details_are_left_out_and_told() {
    show::check_warned(
        Format::AnsibleIni,
        "\
[web]
web1:2222 ansible_user=root ansible_ssh_pass=hunter2 rack=r1
web2 ansible_user=root db=\"{'user': 'root', 'password': 'hunter2'}\"
[web:vars]
api_token=hunter2
jdbc=mysql://root:hunter2@db/shop
url={{ base }}/x
ansible_host=10.0.0.1
",
        "
        1 node /web
        2 server web1 rack=r1 @/web:2
        3 server web2 @/web:3
        ",
        &[
            "line 2: the port behind a host says how Ansible works on the host and is not imported",
            "line 2: variable `ansible_ssh_pass` looks like a secret and is not imported",
            "line 2: variable `ansible_user` says how Ansible works on the host and is not imported (2 places)",
            "line 3: variable `db` looks like a secret and is not imported",
            "line 5: variable `api_token` looks like a secret and is not imported",
            "line 6: variable `jdbc` looks like a secret and is not imported",
            "line 7: variable `url` is a template, which only Ansible can evaluate, and is not imported",
            "line 8: variable `ansible_host` says how Ansible works on the host and is not imported",
        ],
    );
}

#[test]
fn mistakes_are_told_with_their_lines() {
    refused("[web.prod]\n", &["line 1: group becomes a node of the tree: `web.prod`"]);
    refused(
        "[web]\nw_1 a\n_w\nw€b\nw[1:\n",
        &[
            "line 2: host line must be a host and `key=value` words",
            "line 3: server `_w`",
            "line 4: server `w€b`",
            "line 5: host `w[1:` has a `[` that is not closed",
        ],
    );
    refused("[a:kids]\nh1 ?\n[a b]\nx=\n", &["line 1: section of group `a` has the unknown type `kids`", "line 3: section must be"]);
    refused(
        "[a:children]\nb c\nd\n[e:vars]\nx\n",
        &[
            "line 2: expected the name of one child group and nothing else, found `b` and more",
            "line 3: group `d` is not declared, but a section names it as a child: add a section `[d]`",
            "line 4: group `e` is not declared, but a section names its variables",
            "line 5: expected `key=value`",
        ],
    );
    refused("a='x\n", &["line 1: host line cannot be read: a `'` is not closed"]);
    refused("Web1\nweb1\n", &["line 2: host `web1` and host `Web1` of line 1 differ in case only"]);
    refused("h1 ansible_host=10.0.0.1:22\nh2 addresses=?\n", &["line 1: `ansible_host`: address", "line 2: `addresses`: address"]);
    refused("---\nall:\n", &["line 1: server `---`: ", "line 2: server `all:`"]);
}

/// The mistakes that put a secret where a name is expected.
#[test]
fn problems_quote_no_values() {
    for (format, text) in [
        (Format::AnsibleIni, "[web]\ndb_password=hunter2\n"),
        (Format::AnsibleIni, "[web]\nweb1 db_password hunter2\n"),
        (Format::AnsibleIni, "[web]\nweb1 db_password='hunter2\n"),
        (Format::AnsibleIni, "[web:children]\nweb1 db_password=hunter2\n"),
        (Format::AnsibleIni, "[web:children]\ndb_password=hunter2:x\n"),
        (Format::AnsibleIni, "[web]\n[web:vars]\ndb_password hunter2\n"),
        (Format::AnsibleIni, "web1 ansible_host='hunter2 hunter2' addresses='?hunter2' note='hunter2\\n'\n"),
        (Format::AnsibleYaml, "web:\n  vars: hunter2\n"),
        (Format::AnsibleYaml, "web:\n  hosts:\n    web1: hunter2\n"),
        (Format::AnsibleYaml, "web:\n  vars:\n    note: hunter2\n   x: [hunter2\n"),
        (Format::AnsibleYaml, "web:\n  vars:\n    note: !!int hunter2\n"),
        (Format::AnsibleYaml, "web:\n  vars:\n    note: \"hunter2\\q\"\n"),
        (Format::AnsibleYaml, "web:\n  vars:\n    note: \"hunter2\n"),
        (Format::Csv, "/web,web1,hunter2\n"),
        (Format::Csv, "server,label.db_password\nweb1,hunter2,hunter2\n"),
        (Format::Csv, "server,addresses\nweb1,?hunter2\n"),
    ] {
        let problems = match read(text.as_bytes(), format, Options::default()) {
            Ok(_) => panic!("no problem in\n{text}"),
            Err(problems) => problems,
        };
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:#?}");
    }
}

#[test]
fn cycles_are_told_with_the_line_that_closes_them() {
    refused("[a:children]\nb\n[b:children]\nc\n[c:children]\na\n", &["line 6: groups contain each other: `a` → `b` → `c` → `a`"]);
    refused("[a:children]\na\n", &["line 2: groups contain each other: `a` → `a`"]);
    refused("[x:children]\na\n[a:children]\nb\n[b:children]\nx\na\n", &["groups contain each other"]);
    refused("[a:children]\nall\n", &["line 2: groups contain each other: `all` → `a` → `all`"]);
}

#[test]
fn labels_are_strict_unless_lenient() {
    let text = format!("[a]\nh1 läbel=1 good=2 long={}\n[a:vars]\nx y=1\n", "x".repeat(257));
    refused(&text, &["line 2: label `läbel`", "line 2: value of label `long`", "line 4: label `x y`"]);
    let (inventory, warnings) = read(text.as_bytes(), Format::AnsibleIni, Options { lenient: true }).unwrap();
    assert_eq!(show::inventory(&inventory), "1 node /a\n2 server h1 good=2 @/a:2\n");
    assert_eq!(warnings.len(), 3);
    assert!(warnings.iter().all(|warning| warning.message.ends_with("the label is left out")), "{warnings:?}");
}

#[test]
fn at_most_64_labels() {
    let text = format!("h1 {}\nh1 {}\n", labels(0..40), labels(30..65));
    refused(&text, &["line 1: `h1` has 65 labels, at most 64 are kept and `l64` is over"]);
    let (inventory, _) = read(text.as_bytes(), Format::AnsibleIni, Options { lenient: true }).unwrap();
    assert_eq!(inventory.servers[0].labels.len(), 64);
}

fn labels(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("l{n:02}=x ")).collect()
}
