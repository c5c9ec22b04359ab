//! Splits a host line of an INI inventory into words, as Ansible does: quotes and escapes of a POSIX shell, `#` begins a comment.

/// The words of a line; an error names what is not closed.
pub(crate) fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '#' => break,
            '\'' => single_quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("`\\` at the end of the line escapes nothing: remove it")?),
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    for c in chars {
        match c {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err("a `'` is not closed: add the second one")
}

/// Inside `"`, a backslash escapes only `"` and itself.
fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    const OPEN: &str = "a `\"` is not closed: add the second one";
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next().ok_or(OPEN)? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
    Err(OPEN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splits_as_a_shell_does() {
        let cases: [(&str, &[&str]); 12] = [
            ("", &[]),
            ("  # only a comment", &[]),
            ("web1", &["web1"]),
            ("web1 a=1\tb=2  # c=3", &["web1", "a=1", "b=2"]),
            ("web1 a=1#b", &["web1", "a=1"]),
            ("web1 a='#1'", &["web1", "a=#1"]),
            (r#"web1 a="x y" b='x "y"'"#, &["web1", "a=x y", r#"b=x "y""#]),
            (r#"web1 "a=x y""#, &["web1", "a=x y"]),
            (r#"web1 a="q\"q\n\\""#, &["web1", r#"a=q"q\n\"#]),
            (r"web1 a=x\ y\#z", &["web1", "a=x y#z"]),
            (r#"web1 a="" ''"#, &["web1", "a=", ""]),
            ("web1 a='单 引'x", &["web1", "a=单 引x"]),
        ];
        for (line, expected) in cases {
            assert_eq!(split(line).unwrap(), expected, "{line}");
        }
        for line in ["a='x", "a=\"x", "a=\"x\\", "a\\"] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_grows(line in r#"[ a'"\\#=\PC]{0,80}"#) {
            if let Ok(words) = split(&line) {
                prop_assert!(words.iter().map(String::len).sum::<usize>() <= line.len());
                prop_assert!(words.len() <= line.len());
            }
        }

        #[test]
        fn single_quotes_keep_every_other_character(text in "[^'\r\n]{0,40}") {
            prop_assert_eq!(split(&format!("a='{text}'")).unwrap(), [format!("a={text}")]);
        }
    }
}
