//! Acme's laboratory as CSV: what a spreadsheet gives.

pub(super) fn write() -> String {
    let mut out = String::from("path,server,serial,addresses,idc,label.rack,label.purpose\n");
    for (path, purpose) in
        [("/lab", "nothing here serves customers"), ("/lab/perf", "\"load tests, one team at a time\""), ("/lab/qa", "release tests")]
    {
        out.push_str(&format!("{path},,,,,,{purpose}\n"));
    }
    for number in 1..=12 {
        // Two networks: what tests measure must not share a cable with what watches them.
        let addresses = format!("172.16.1.{number};172.17.1.{number}");
        let serial = format!("A20HZ{:06}", 4_711 * number);
        out.push_str(&format!("/lab/perf,perf{number:02}.lab.acme.example,{serial},{addresses},hz-office,l{},\n", number / 7 + 1));
    }
    for number in 1..=10 {
        let serial = format!("A19HZ{:06}", 2_718 * number);
        out.push_str(&format!("/lab/qa,qa{number:02}.lab.acme.example,{serial},172.16.2.{number},hz-office,l3,\n"));
    }
    // Lent to release tests until autumn: mounted twice.
    for number in 11..=12 {
        out.push_str(&format!("/lab/qa,perf{number:02}.lab.acme.example,,,,,\n"));
    }
    for number in 1..=5 {
        out.push_str(&format!(",spare{number:02}.lab.acme.example,A21HZ{:06},,hz-office,l4,spare\n", 31_415 * number));
    }
    out
}
