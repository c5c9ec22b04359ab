//! CloudEvents as other programs write them: the shapes of the specification and its Kafka binding, binary, structured, and the bare object.

mod corpus;

use corpus::{Case, cases, path};
use loki_wire::Envelope;
use serde_json::{Value, json};

fn read(case: &Case) -> Result<Value, loki_wire::Error> {
    let (_, value, headers) = case.record();
    let envelope = Envelope::read(value.as_ref(), &headers)?;
    Ok(json!({
        "case": case.case,
        "id": envelope.id,
        "type": envelope.kind,
        "actor": envelope.actor,
        "source": envelope.source,
        "dataschema": envelope.dataschema,
        "expires_ms": envelope.expires_ms,
        "keyid": envelope.keyid,
        "signature": envelope.signature,
        "traceparent": envelope.traceparent,
        "data": serde_json::from_slice::<Value>(&envelope.data).unwrap(),
    }))
}

/// `WRITE_FIXTURES=1` writes an expected file that is not there yet.
fn check(name: &str, got: &[Value]) {
    let path = path(&format!("fixtures/envelopes/{name}.expected.json"));
    if !path.exists() && std::env::var_os("WRITE_FIXTURES").is_some() {
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(got).unwrap())).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(got, serde_json::from_str::<Vec<Value>>(&text).unwrap(), "{name}");
}

#[test]
fn every_mode_reads_as_ever() {
    for mode in ["binary", "structured", "bare"] {
        let got: Vec<_> = cases(&format!("envelopes/{mode}")).iter().map(|case| read(case).unwrap()).collect();
        check(mode, &got);
    }
}

#[test]
fn what_is_no_command_is_refused_with_a_code_and_a_field() {
    let refusal = |case: &Case| {
        let error = read(case).expect_err(&case.case);
        json!({ "case": case.case, "code": error.code(), "field": error.field() })
    };
    check("refused", &cases("envelopes/refused").iter().map(refusal).collect::<Vec<_>>());
}

#[test]
fn what_is_written_reads_back_with_every_attribute() {
    for mode in ["binary", "structured", "bare"] {
        for case in cases(&format!("envelopes/{mode}")) {
            let (_, value, headers) = case.record();
            let mut envelope = Envelope::read(value.as_ref(), &headers).unwrap();
            let mut again = Envelope::read(Some(&envelope.data), &envelope.headers()).unwrap();
            // the specification asks for a source, so one is written
            assert_eq!(again.source.take(), envelope.source.take().or(Some("loki".to_owned())));
            assert_eq!(format!("{again:?}"), format!("{envelope:?}"), "{}", case.case);
        }
    }
}
