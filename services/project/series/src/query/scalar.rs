//! Values in JSON that may be written in several ways, as OpenTSDB's reader allows.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A text, or a number or truth written as one; `null` is the empty text.
#[derive(Debug, Default)]
pub(crate) struct Text(pub(crate) String);

/// A truth, a text that says it, or a number that is not 0; `null` is false.
#[derive(Debug, Default)]
pub(crate) struct Flag(pub(crate) bool);

/// A whole number, a text of one, or a fraction, whose whole part counts; `null` is 0.
#[derive(Debug, Default)]
pub(crate) struct Whole(pub(crate) i64);

trait Scalar: Sized {
    const WHAT: &'static str;
    fn of_text(text: &str) -> Option<Self>;
    fn of_whole(number: i64) -> Self;
    fn of_float(number: f64) -> Self;
    fn of_truth(truth: bool) -> Option<Self>;
}

impl Scalar for Text {
    const WHAT: &'static str = "a text or a number";
    fn of_text(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }
    fn of_whole(number: i64) -> Self {
        Self(number.to_string())
    }
    fn of_float(number: f64) -> Self {
        Self(number.to_string())
    }
    fn of_truth(truth: bool) -> Option<Self> {
        Some(Self(truth.to_string()))
    }
}

impl Scalar for Flag {
    const WHAT: &'static str = "`true` or `false`";
    fn of_text(text: &str) -> Option<Self> {
        match text.trim() {
            "true" | "True" | "TRUE" => Some(Self(true)),
            "false" | "False" | "FALSE" | "" => Some(Self(false)),
            _ => None,
        }
    }
    fn of_whole(number: i64) -> Self {
        Self(number != 0)
    }
    fn of_float(number: f64) -> Self {
        Self(number != 0.0)
    }
    fn of_truth(truth: bool) -> Option<Self> {
        Some(Self(truth))
    }
}

impl Scalar for Whole {
    const WHAT: &'static str = "a whole number";
    fn of_text(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self)
    }
    fn of_whole(number: i64) -> Self {
        Self(number)
    }
    fn of_float(number: f64) -> Self {
        Self(number as i64)
    }
    fn of_truth(_: bool) -> Option<Self> {
        None
    }
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<T: Scalar + Default> Visitor<'_> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::of_text(text).ok_or_else(|| E::custom(format_args!("`{}` is not {}", text.escape_default(), T::WHAT)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Ok(T::of_whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Ok(i64::try_from(number).map_or_else(|_| T::of_float(number as f64), T::of_whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Ok(T::of_float(number))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<T, E> {
        T::of_truth(truth).ok_or_else(|| E::custom(format_args!("`{truth}` is not {}", T::WHAT)))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
}

macro_rules! scalar {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(ScalarVisitor(PhantomData))
            }
        }
    };
}

scalar!(Text);
scalar!(Flag);
scalar!(Whole);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_may_be_written_in_several_ways() {
        let texts: Vec<Text> = serde_json::from_str(r#"["a", 1700000000000, 1.5, true, null]"#).unwrap();
        assert_eq!(texts.iter().map(|text| text.0.as_str()).collect::<Vec<_>>(), ["a", "1700000000000", "1.5", "true", ""]);
        let flags: Vec<Flag> = serde_json::from_str(r#"[true, "true", 1, 0, "false", null]"#).unwrap();
        assert_eq!(flags.iter().map(|flag| flag.0).collect::<Vec<_>>(), [true, true, true, false, false, false]);
        let numbers: Vec<Whole> = serde_json::from_str(r#"[1, "2", 3.9, null]"#).unwrap();
        assert_eq!(numbers.iter().map(|number| number.0).collect::<Vec<_>>(), [1, 2, 3, 0]);
        assert!(serde_json::from_str::<Flag>(r#""maybe""#).is_err() && serde_json::from_str::<Whole>("true").is_err());
        assert!(serde_json::from_str::<Text>("[]").is_err());
    }
}
