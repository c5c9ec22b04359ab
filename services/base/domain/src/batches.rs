//! How a run's servers are divided into batches: `1 25% *2` is one server, then a quarter of all, then twice as many as before, and so on.

use std::fmt;
use std::str::FromStr;

use crate::Invalid;

/// How many steps are written at most.
pub const STEPS_MAX: usize = 16;
/// The largest batch: what is larger is divided, so that its list fits a fact.
pub const BATCH_MAX: usize = 1_000;

/// The size of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// So many servers.
    Servers(u32),
    /// So many of a hundred of all servers, rounded up.
    Percent(u32),
    /// So many more than in the batch before.
    Plus(u32),
    /// So many times as many as in the batch before.
    Times(u32),
}

/// The last step is repeated until no server is left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Batches(Vec<Step>);

impl Batches {
    pub fn one_by_one() -> Self {
        Self(vec![Step::Servers(1)])
    }

    /// Sizes of the batches of so many servers, in order; none is empty, and together they are all.
    pub fn sizes(&self, servers: usize) -> Vec<usize> {
        let mut sizes = Vec::new();
        let (mut left, mut before) = (servers, 0_usize);
        let mut steps = self.0.iter();
        let mut step = None;
        while left > 0 {
            step = steps.next().or(step);
            let size = match step {
                Some(Step::Servers(count)) => *count as usize,
                Some(Step::Percent(share)) => (servers * *share as usize).div_ceil(100),
                Some(Step::Plus(count)) => before.saturating_add(*count as usize),
                Some(Step::Times(factor)) => before.saturating_mul(*factor as usize),
                None => left,
            };
            let size = size.clamp(1, BATCH_MAX.min(left));
            sizes.push(size);
            (left, before) = (left - size, size);
        }
        sizes
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Servers(count) => write!(f, "{count}"),
            Self::Percent(share) => write!(f, "{share}%"),
            Self::Plus(count) => write!(f, "+{count}"),
            Self::Times(factor) => write!(f, "*{factor}"),
        }
    }
}

impl FromStr for Step {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || {
            let shown = text.escape_default();
            Invalid::new(format!("`{shown}` is no size of a batch: use `3`, `25%`, `+2` or `*2`"))
        };
        // one spelling for each number
        let is_plain = |digits: &str| (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = |digits: &str| match is_plain(digits) && !digits.starts_with('0') {
            true => digits.parse::<u32>().map_err(|_| bad()),
            false => Err(bad()),
        };
        if let Some(digits) = text.strip_suffix('%') {
            return match number(digits)? {
                share @ 1..=100 => Ok(Self::Percent(share)),
                _ => Err(bad()),
            };
        }
        match text.as_bytes().first() {
            Some(b'+') => Ok(Self::Plus(number(&text[1..])?)),
            Some(b'*') => Ok(Self::Times(number(&text[1..])?)),
            _ => Ok(Self::Servers(number(text)?)),
        }
    }
}

impl fmt::Display for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{step}")?;
        }
        Ok(())
    }
}

impl FromStr for Batches {
    type Err = Invalid;
    /// Steps with a blank between two.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let steps = text.split(' ').map(str::parse).collect::<Result<Vec<Step>, _>>()?;
        if !(1..=STEPS_MAX).contains(&steps.len()) {
            return Err(Invalid::new(format!("batches have 1 to {STEPS_MAX} steps, these are {}", steps.len())));
        }
        if matches!(steps.first(), Some(Step::Times(_))) {
            return Err(Invalid::new("no batch comes before the first: begin with a number or a share"));
        }
        Ok(Self(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str, servers: usize) -> Vec<usize> {
        text.parse::<Batches>().unwrap().sizes(servers)
    }

    #[test]
    fn the_last_step_is_repeated() {
        assert_eq!(sizes("1 25% *2", 20), [1, 5, 10, 4]);
        assert_eq!(sizes("1 +2", 20), [1, 3, 5, 7, 4]);
        assert_eq!(sizes("3", 7), [3, 3, 1]);
        assert_eq!(sizes("+1", 4), [1, 2, 1]);
        assert_eq!(sizes("1% 50%", 10), [1, 5, 4]);
        assert_eq!(sizes("100%", 2_400), [1_000, 1_000, 400]);
        assert_eq!(sizes("1 *999999999", 5), [1, 4]);
        assert!(sizes("1", 0).is_empty());
        assert_eq!(Batches::one_by_one().sizes(3), [1, 1, 1]);
    }

    #[test]
    fn all_servers_are_in_some_batch() {
        for text in ["1", "1 25% *2", "+3", "7% +1", "100%", "2 *1", "999 *9"] {
            for servers in [0, 1, 2, 3, 19, 20, 99, 1_000, 2_001] {
                let sizes = sizes(text, servers);
                assert_eq!(sizes.iter().sum::<usize>(), servers, "{text} of {servers}");
                assert!(sizes.iter().all(|size| (1..=BATCH_MAX).contains(size)), "{text} of {servers}: {sizes:?}");
            }
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["1 25% *2", "+3", "100%", "1 1 1"] {
            assert_eq!(text.parse::<Batches>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            " ",
            "0",
            "0%",
            "101%",
            "*2",
            "-1",
            "+",
            "*",
            "%",
            "1.5",
            "++1",
            "+-1",
            "1000000000",
            "01",
            "1  2",
            " 1",
            "1;2",
            "%1",
            &"1 ".repeat(17),
        ] {
            assert!(bad.parse::<Batches>().is_err(), "{bad}");
        }
    }
}
