//! Subscriptions by pattern: RE2's language, as Kafka's, on an engine whose time is linear in what it reads.

use regex::bytes::Regex;
use regex::bytes::RegexBuilder;

const BAD_ESCAPE: &str = "invalid escape sequence";
const BAD_PERL: &str = "invalid or unsupported Perl syntax";
const BAD_COUNT: &str = "invalid repeat count";
/// RE2 counts no further.
const MOST_OFTEN: u32 = 1000;
/// A pattern needs no more room than this; what does would take long to read.
const MOST_BYTES: usize = 1 << 20;
const NESTED: &str = "invalid nested repetition operator";

/// A pattern that must match the whole name of a topic.
pub struct Pattern(Regex);

impl Pattern {
    /// Or what is wrong with it, in RE2's words.
    pub fn compile(pattern: &str) -> Result<Pattern, String> {
        let pattern = translate(pattern)?;
        // The pattern is compiled alone first: `a)(b` must not become whole by what is put around it.
        build(&pattern)
            .and_then(|_| build(&format!("\\A(?:{pattern})\\z")))
            .map(Pattern)
            .map_err(|error| describe(&error.to_string()))
    }

    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name.as_bytes())
    }
}

/// Names of topics are ASCII, and so are RE2's `\w` and `\d`; only classes such as `\pL` need more.
fn build(pattern: &str) -> Result<Regex, regex::Error> {
    let build = |unicode| {
        RegexBuilder::new(pattern)
            .unicode(unicode)
            .octal(true)
            .size_limit(MOST_BYTES)
            .build()
    };
    build(false).or_else(|_| build(true))
}

/// What RE2 reads otherwise than this engine: `\Q…\E`, which Java's `Pattern.quote` writes; braces that count nothing;
/// brackets and operators inside of classes, which are plain there; and what is an error in only one of them.
fn translate(pattern: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut repeated = false;
    while let Some(letter) = rest.chars().next() {
        let was_repeated = std::mem::take(&mut repeated);
        let mut length = letter.len_utf8();
        match letter {
            '\\' if rest.starts_with("\\Q") => {
                let quoted = rest.get(2..).unwrap_or_default();
                let text = quoted.split_once("\\E").map_or(quoted, |(text, _)| text);
                plain.push_str(&regex::escape(text));
                rest = quoted.get(text.len()..).unwrap_or_default();
                rest = rest.strip_prefix("\\E").unwrap_or(rest);
                continue;
            }
            '\\' => length = escape(rest)?,
            '[' => {
                rest = class(rest, &mut plain)?;
                continue;
            }
            '{' | '*' | '+' | '?' => match counter(rest)? {
                Some(_) if was_repeated => return Err(NESTED),
                Some(counter) => {
                    repeated = true;
                    length = counter;
                }
                None => plain.push('\\'),
            },
            '(' if rest.starts_with("(?") => {
                let flags = rest.get(2..).unwrap_or_default();
                let end = flags.find(|letter: char| !letter.is_ascii_alphabetic() && letter != '-');
                let flags = flags.get(..end.unwrap_or(flags.len())).unwrap_or_default();
                if flags != "P" && !flags.chars().all(|flag| "imsU-".contains(flag)) {
                    return Err(BAD_PERL);
                }
                length = 2;
            }
            _ => {}
        }
        let (kept, after) = rest.split_at(length);
        plain.push_str(kept);
        rest = after;
    }
    Ok(plain)
}

/// The length of an escape, with the braces that belong to it.
fn escape(rest: &str) -> Result<usize, &'static str> {
    let mut letters = rest.chars().skip(1);
    let (first, second) = (letters.next(), letters.next());
    let is_octal = |letter: Option<char>| letter.is_some_and(|letter| ('0'..='7').contains(&letter));
    match first {
        // One digit alone would be what a group matched before.
        Some('1'..='7') if !is_octal(second) => Err(BAD_ESCAPE),
        Some('<' | '>') => Err(BAD_ESCAPE),
        Some('p' | 'P' | 'x') if second == Some('{') => Ok(rest.find('}').map_or(rest.len(), |end| end + 1)),
        first => Ok(1 + first.map_or(0, char::len_utf8)),
    }
}

/// The length of what says how often, and of a `?` after it; none if a brace says nothing.
fn counter(rest: &str) -> Result<Option<usize>, &'static str> {
    let mut length = 1;
    if let Some(after) = rest.strip_prefix('{') {
        // No further than the digits go, so that a row of braces is read once.
        let end = after.find(|letter: char| !letter.is_ascii_digit() && letter != ',');
        let Some((inside, _)) = end
            .and_then(|end| after.split_at_checked(end))
            .filter(|(_, end)| end.starts_with('}'))
        else {
            return Ok(None);
        };
        let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
        let is_number = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
        if least.is_empty() || !is_number(least) || !is_number(most) {
            return Ok(None);
        }
        let is_too_much = |text: &str| !text.is_empty() && text.parse().map_or(true, |count: u32| count > MOST_OFTEN);
        if is_too_much(least) || is_too_much(most) {
            return Err(BAD_COUNT);
        }
        length = inside.len() + 2;
    }
    let is_lazy = rest.get(length..).is_some_and(|after| after.starts_with('?'));
    Ok(Some(length + usize::from(is_lazy)))
}

/// Copies a class, and tells what follows it.
fn class<'a>(rest: &'a str, plain: &mut String) -> Result<&'a str, &'static str> {
    let start = ["[^]", "[]", "[^", "["]
        .into_iter()
        .find(|start| rest.starts_with(start))
        .unwrap_or("[");
    plain.push_str(start.trim_end_matches(']'));
    plain.push_str(if start.ends_with(']') { "\\]" } else { "" });
    let mut rest = rest.get(start.len()..).unwrap_or_default();
    while let Some(letter) = rest.chars().next() {
        let named = rest.strip_prefix("[:").and_then(|name| {
            let end = name.find(|letter: char| !letter.is_ascii_lowercase() && letter != '^')?;
            name.get(end..)?.starts_with(":]").then_some(end + 4)
        });
        let length = match letter {
            '\\' => escape(rest)?,
            '[' if named.is_some() => named.unwrap_or(1),
            '[' | '&' | '~' => {
                plain.push('\\');
                1
            }
            letter => letter.len_utf8(),
        };
        let (kept, after) = rest.split_at(length);
        plain.push_str(kept);
        rest = after;
        if letter == ']' {
            return Ok(rest);
        }
    }
    Err("missing closing ]")
}

fn describe(error: &str) -> String {
    let last = error.lines().rfind(|line| line.starts_with("error: "));
    let Some(said) = last.and_then(|line| line.strip_prefix("error: ")) else {
        return BAD_COUNT.to_owned();
    };
    let known = [
        ("unclosed character class", "missing closing ]"),
        ("unclosed group", "missing closing )"),
        ("unopened group", "regexp/syntax: internal error"),
        (
            "repetition operator missing expression",
            "missing argument to repetition operator",
        ),
        ("incomplete escape sequence", "trailing backslash at end of expression"),
        ("invalid character class range", "invalid character class range"),
        ("Unicode property not found", "invalid character class range"),
        ("look-around", "invalid or unsupported Perl syntax"),
        ("unrecognized flag", "invalid or unsupported Perl syntax"),
        ("duplicate capture group name", "duplicate capture group name"),
        ("duplicate group name", "duplicate capture group name"),
        ("capture group name", "invalid named capture"),
        ("repetition", BAD_COUNT),
        ("backreferences are not supported", "invalid escape sequence"),
        ("unrecognized escape sequence", "invalid escape sequence"),
    ];
    let found = known.iter().find(|(ours, _)| said.contains(ours));
    found.map_or_else(|| said.to_owned(), |(_, theirs)| (*theirs).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_must_match_the_whole_name() {
        for (pattern, name, expected) in [
            ("foo", "foo", true),
            ("foo", "foobar", false),
            ("foo|bar", "bar", true),
            ("foo|bar", "foobar", false),
            ("foo.*", "foobar", true),
            ("\\Qa.b\\E.*", "a.bc", true),
            ("\\Qa.b\\E.*", "axbc", false),
            ("\\Qa.b", "a.b", true),
            ("\\\\Q", "\\Q", true),
            ("(?i)FOO-\\d+", "foo-12", true),
            ("[[:word:]]+", "a_b", true),
            ("\\pL+", "abc", true),
            ("", "", true),
            ("\\Qa.b\\E+", "a.bb", true),
            ("a{", "a{", true),
            ("a{,2}", "a{,2}", true),
            ("a{1,2}?b", "aab", true),
            ("[[]", "[", true),
            ("[]a]+", "a]", true),
            ("[^]a]", "]", false),
            ("[a-c&&[^b]]", "b]", true),
            ("[[:digit:]_]+", "1_", true),
            ("\\141", "a", true),
            ("\\x{61}", "a", true),
            ("(?P<n>a)(?<m>b)(?:c)", "abc", true),
        ] {
            assert_eq!(
                Pattern::compile(pattern).unwrap().matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    /// The words come from re2j 1.8.
    #[test]
    fn what_is_wrong_is_told_as_kafka_tells_it() {
        for (pattern, expected) in [
            ("[", "missing closing ]"),
            ("(", "missing closing )"),
            (")", "regexp/syntax: internal error"),
            ("a)(b", "regexp/syntax: internal error"),
            ("*", "missing argument to repetition operator"),
            ("\\", "trailing backslash at end of expression"),
            ("[z-a]", "invalid character class range"),
            ("(?=a)", "invalid or unsupported Perl syntax"),
            ("\\8", "invalid escape sequence"),
            ("\\1", "invalid escape sequence"),
            ("\\C", "invalid escape sequence"),
            ("\\Z", "invalid escape sequence"),
            ("[a", "missing closing ]"),
            ("a**", "invalid nested repetition operator"),
            ("a++", "invalid nested repetition operator"),
            ("a{1001}", "invalid repeat count"),
            ("(?x)a", "invalid or unsupported Perl syntax"),
            ("\\p{Nope}", "invalid character class range"),
            ("(?<n", "invalid named capture"),
            ("(?P<n>a)(?P<n>b)", "duplicate capture group name"),
            ("x{2,1}", "invalid repeat count"),
            ("((a{1000}){1000}){1000}", "invalid repeat count"),
        ] {
            let refused = Pattern::compile(pattern).err();
            assert_eq!(refused.as_deref(), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn a_long_pattern_is_read_once() {
        let long = 200_000;
        for piece in ["{", "[[:", "(?(?", "\\p{", "a{1{", "\\Q", "[&", "(?i"] {
            assert!(
                translate(&piece.repeat(long)).map_or(0, |plain| plain.len()) < 20 * long,
                "{piece}"
            );
        }
    }
}
