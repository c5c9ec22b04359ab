//! Samples: many points in one record, all of one partition.
//!
//! Written in binary mode with the type `sample.points`. Read are that, structured CloudEvents of that type, and for simple producers what they
//! would post to OpenTSDB's `/api/put`: one point, or a list of them. A point that cannot be used takes none of its neighbours with it: each
//! is read for itself, and fields that are not known are passed over.

mod reader;
pub mod v1;

use bytes::Bytes;
use loki_domain::Sample;

use crate::envelope::{Headers, header};
use crate::error::Error;

pub use reader::{READER_BYTES_MAX, Reader};

/// The type of the records.
pub const TYPE: &str = "sample.points";
/// What the headers of a record say of its value.
const HEADERS: [(&str, &str); 4] =
    [("ce_specversion", "1.0"), ("ce_type", TYPE), ("ce_dataschema", v1::NAME), ("content-type", "application/json")];
/// Points of one record, at most.
pub const POINTS_MAX: usize = 1_000;
/// Bytes of one record, at most.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The points of a record in their order; the record's own mistake when there are none to be told apart.
pub fn read(value: Option<&Bytes>, headers: &[(String, Bytes)]) -> Result<Vec<Result<Sample, Error>>, Error> {
    let Some(value) = value else {
        return Err(Error::Envelope { field: "data", message: "is missing: the record has no value".to_owned() });
    };
    if value.len() > RECORD_BYTES_MAX {
        return Err(Error::TooLarge { bytes: value.len(), limit: RECORD_BYTES_MAX });
    }
    crate::envelope::check_depth(value)?;
    let content_type = header(headers, "content-type")?.unwrap_or_default();
    let is_event = content_type.to_ascii_lowercase().starts_with("application/cloudevents+json");
    if !is_event && header(headers, "ce_specversion")?.is_some() {
        check_type(header(headers, "ce_type")?.as_deref(), header(headers, "ce_dataschema")?.as_deref())?;
        return v1::read(value);
    }
    match v1::event(value)? {
        Some(event) => {
            check_type(event.kind.as_deref(), event.dataschema.as_deref())?;
            let data = event.data.ok_or_else(|| Error::Envelope { field: "data", message: "is missing".to_owned() })?;
            v1::read(data.get().as_bytes())
        }
        None => v1::read_bare(value),
    }
}

/// The value and headers of a record with these points.
pub fn write<'s>(samples: impl IntoIterator<Item = &'s Sample>) -> (Bytes, Headers) {
    let headers = HEADERS.into_iter().chain([("ce_source", "loki")]);
    (v1::write(samples), headers.map(|(name, value)| (name.to_owned(), Bytes::from_static(value.as_bytes()))).collect())
}

/// Whether its headers say what those of [`write`] say, whoever sends it: its value is the object with the points then.
fn is_written(headers: &[(String, Bytes)]) -> bool {
    let are = |(name, value): &(String, Bytes)| HEADERS.iter().all(|(of, expected)| !name.eq_ignore_ascii_case(of) || value == expected);
    let is_there = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    headers.iter().all(are) && is_there("ce_specversion") && is_there("ce_type")
}

fn check_type(kind: Option<&str>, schema: Option<&str>) -> Result<(), Error> {
    match kind {
        Some(TYPE) => {}
        Some(other) => return Err(Error::UnknownType(other.to_owned())),
        None => return Err(Error::Envelope { field: "type", message: "is missing".to_owned() }),
    }
    match schema {
        None | Some(v1::NAME) => Ok(()),
        Some(other) => Err(Error::UnknownVersion(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    /// Each point as it is written again, or the code and field of what is wrong with it.
    fn told(value: &str, headers: &[(String, Bytes)]) -> Result<Vec<String>, String> {
        let why = |error: &Error| format!("{} {}", error.code(), error.field().unwrap_or("-"));
        let points = read(Some(&bytes(value)), headers).map_err(|error| why(&error))?;
        Ok(points.iter().map(|point| point.as_ref().map_or_else(why, text)).collect())
    }

    fn text(sample: &Sample) -> String {
        format!("{} {} {}", sample.series, sample.at, sample.value)
    }

    const POINT: &str = r#"{"metric":"m","timestamp":1700000000,"value":12,"tags":{"host":"a","core":"0"}}"#;
    const TOLD: &str = "m{core=0,host=a} 1700000000 12.0";

    #[test]
    fn all_forms_read_alike() {
        let event = vec![("content-type".to_owned(), bytes("application/cloudevents+json"))];
        let structured = format!(r#"{{"specversion":"1.0","id":"1","source":"x","type":"sample.points","data":{{"points":[{POINT}]}}}}"#);
        let spelt = r#" {"metric":"m","timestamp":"1700000000000","value":"12.0","tags":{"core":"0","host":"a"},"later":[1]}"#;
        for (value, headers) in [
            (POINT.to_owned(), vec![]),
            (format!("[{POINT}]"), vec![]),
            (spelt.to_owned(), vec![]),
            (structured.clone(), event),
            (structured, vec![]),
            (format!(r#"{{"type":"sample.points","data":{{"points":[{POINT}],"later":1}}}}"#), vec![]),
            (format!(r#"{{"points":[{POINT}]}}"#), write([]).1),
        ] {
            assert_eq!(told(&value, &headers), Ok(vec![TOLD.to_owned()]), "{value}");
        }
    }

    /// A value that is one number in a text and another one without would contradict itself.
    #[test]
    fn a_number_is_what_its_digits_say() {
        for digits in ["104504.33333333333", "96593.66666666667", "-327.502", "5e-324", "1.7976931348623157e308"] {
            let said = format!("m{{core=0,host=a}} 1700000000 {digits}");
            for value in [digits.to_owned(), format!("\"{digits}\"")] {
                let point = POINT.replace("12", &value);
                assert_eq!(told(&point, &[]), Ok(vec![said.clone()]), "{point}");
            }
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let points = format!("[{POINT},{}]", POINT.replace("12", "-0.1e-7").replace("1700000000", "1700000000123"));
        let samples: Vec<Sample> = read(Some(&bytes(&points)), &[]).unwrap().into_iter().map(Result::unwrap).collect();
        let (value, headers) = write(&samples);
        let again: Vec<Sample> = read(Some(&value), &headers).unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(again, samples);
        assert_eq!(write(&again), (value, headers));
    }

    #[test]
    fn a_bad_point_takes_no_other_with_it() {
        let bad = [
            (r#"{"metric":"m","timestamp":1,"value":1}"#, "schema_violation tags"),
            (r#"{"metric":"m","timestamp":1,"value":null,"tags":{"a":"b"}}"#, "schema_violation value"),
            (r#"{"metric":"m","timestamp":1,"value":"NaN","tags":{"a":"b"}}"#, "invalid value"),
            (r#"{"metric":"m","timestamp":1.5,"value":1,"tags":{"a":"b"}}"#, "invalid timestamp"),
            (r#"{"metric":"m","timestamp":0,"value":1,"tags":{"a":"b"}}"#, "invalid timestamp"),
            (r#"{"metric":"a b","timestamp":1,"value":1,"tags":{"a":"b"}}"#, "invalid metric"),
            (r#"{"metric":"m","timestamp":1,"value":1,"tags":{}}"#, "invalid tags"),
            (r#"{"metric":"m","timestamp":1,"value":1,"tags":{"a":"b","a":"c"}}"#, "invalid tags"),
            (r#"{"metric":"m","timestamp":1,"value":1,"tags":{"a":1}}"#, "schema_violation tags.a"),
            ("7", "schema_violation ."),
        ];
        for (point, why) in bad {
            let told = told(&format!("[{POINT},{point},{POINT}]"), &[]);
            assert_eq!(told, Ok(vec![TOLD.to_owned(), why.to_owned(), TOLD.to_owned()]), "{point}");
        }
    }

    #[test]
    fn what_holds_no_points_is_one_mistake() {
        let of = |kind: &str| vec![("ce_specversion".to_owned(), bytes("1.0")), ("ce_type".to_owned(), bytes(kind))];
        assert_eq!(told("[", &[]).unwrap_err(), "bad_json -");
        assert_eq!(told("[]", &[]).unwrap_err(), "invalid points");
        assert_eq!(told(&format!("[{}]", vec![POINT; POINTS_MAX + 1].join(",")), &[]).unwrap_err(), "invalid points");
        assert_eq!(told(&"[".repeat(20), &[]).unwrap_err(), "too_deep -");
        assert_eq!(told(&format!("\"{}\"", "x".repeat(RECORD_BYTES_MAX)), &[]).unwrap_err(), "too_large -");
        assert_eq!(told(r#"{"points":[]}"#, &of("node.create")).unwrap_err(), "unknown_type type");
        assert_eq!(
            told(r#"{"type":"sample.points","dataschema":"sample.points.v2","data":{}}"#, &[]).unwrap_err(),
            "unknown_version dataschema"
        );
        assert_eq!(told("{}", &[]).unwrap_err(), "bad_envelope type");
        assert!(read(None, &[]).is_err());
    }
}
