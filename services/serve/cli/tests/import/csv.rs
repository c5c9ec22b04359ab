//! Inventories as tables: what is read, and what is refused with its line.

use loki_cli::import::{Format, Options, read};

use crate::show;

fn check(text: &str, expected: &str) {
    show::check(Format::Csv, text, expected);
}

fn refused(text: &str, expected: &[&str]) {
    show::check_refused(Format::Csv, text, expected);
}

#[test]
fn nodes_servers_and_mounts() {
    check(
        "\
path,server,serial,addresses,idc,label.tier,label.rack
/shop/web,,,,,front,
/shop/web,Web01,SN-1,10.0.0.1;2001:db8::1,bj1,,r7
/canary,web01,,,,,
,spare01,SN-9,,bj1,,r9
",
        "
        4 node /canary
        2 node /shop/web tier=front
        5 server spare01 serial:SN-9 idc:bj1 rack=r9
        3 server web01 serial:SN-1 idc:bj1 10.0.0.1 2001:db8::1 rack=r7 @/canary:4 @/shop/web:3
        ",
    );
}

#[test]
fn columns_in_any_order_quotes_comments_and_line_ends() {
    check(
        "\u{feff}# assets\r\n\r\nlabel.note, server ,path\r\n\r\n# one\r\n\"a, \"\"b\"\"\",w1,/web\r\n",
        "6 node /web\n6 server w1 note=a, \"b\" @/web:6",
    );
    check("server\nw1\n\n   \nw2\n", "2 server w1\n5 server w2");
    check("path\n/a\n/a/b\n/a\n", "2 node /a\n3 node /a/b");
    check("path,server\n/,w1\n", "2 node /\n2 server w1 @/:2");
    check("path,server\n", "");
}

/// The reader counts lines before it skips blank ones and comments; a record may span lines.
#[test]
fn lines_are_counted_as_an_editor_does() {
    check(
        "server,label.a\n\n\nw1,\"x y\"\n#\n#\nw2,1\n,\n\r\nw3,3\n",
        "
        4 server w1 a=x y
        7 server w2 a=1
        10 server w3 a=3
        ",
    );
    refused("server,label.a\nw1,\"x\ny\"\n\nw2,1,2\n", &["line 2: value of label `a`", "line 5: row has 3 cells, the header 2"]);
}

#[test]
fn rows_of_one_server_agree() {
    check(
        "server,idc,addresses,label.a,path\nw1,bj1,,,/a\nw1,,10.0.0.1,x,/b\nw1,bj1,10.0.0.1,x,/a\n",
        "
        2 node /a
        3 node /b
        2 server w1 idc:bj1 10.0.0.1 a=x @/a:2 @/b:3
        ",
    );
    refused(
        "server,idc,addresses,label.a\nw1,bj1,10.0.0.1,x\nw1,bj2,10.0.0.2,y\n",
        &[
            "line 3: server `w1` has another `a` here than in a row since line 2",
            "line 3: server `w1` has another `addresses` here",
            "line 3: server `w1` has another `idc` here",
        ],
    );
    refused("path,label.a\n/x,1\n/x,2\n", &["line 3: node `/x` has another `a` here than in a row since line 2"]);
}

#[test]
fn secrets_are_left_out_and_told() {
    show::check_warned(
        Format::Csv,
        "server,label.db_password,label.url,label.rack\nw1,hunter2,http://a:hunter2@b,r1\n",
        "2 server w1 rack=r1",
        &[
            "line 1: column `db_password` looks like a secret and is not imported",
            "line 2: a cell of column `url` looks like a secret and is not imported",
        ],
    );
}

#[test]
fn mistakes_are_told_with_their_lines() {
    refused("", &["file has no header"]);
    refused("/web,w1\n", &["line 1: header has neither"]);
    refused("path;server\n", &["line 1: header has neither"]);
    refused("path,rack,path\n", &["line 1: column `path` is there twice", "line 1: column `rack` is unknown"]);
    refused(
        "path,server,idc\nweb,w1,\n/a//b,w1,\n/a b,w1,\n,,bj1\n/a,,bj1\n/a,w_€,\n",
        &[
            "line 2: `path`: path `web`",
            "line 3: `path`: path `/a//b` has an empty name",
            "line 4: `path`: path `/a b`",
            "line 5: row has neither `path` nor `server`",
            "line 6: row has no `server`",
            "line 7: `server`: server `w_€`",
        ],
    );
    refused("server,addresses\nw1,10.0.0.1:22\n", &["line 2: `addresses`: address"]);
    let columns: String = (0..65).map(|n| format!(",label.l{n:02}")).collect();
    refused(&format!("server{columns}\nw1{}\n", ",x".repeat(65)), &["line 2: `w1` has 65 labels"]);
}

#[test]
fn labels_are_strict_unless_lenient() {
    let text = format!("server,label.ä,label.b\nw1,1,{}\n", "x".repeat(257));
    refused(&text, &["line 1: label `ä`"]);
    let (inventory, warnings) = read(text.as_bytes(), Format::Csv, Options { lenient: true }).unwrap();
    assert_eq!(show::inventory(&inventory), "2 server w1\n");
    assert_eq!(warnings.len(), 2);
}
