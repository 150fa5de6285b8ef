//! Subscriptions by pattern: RE2's language, as Kafka's, on an engine whose time is linear in what it reads.

use regex::bytes::Regex;
use regex::bytes::RegexBuilder;

/// A pattern that must match the whole name of a topic.
pub struct Pattern(Regex);

impl Pattern {
    /// Or what is wrong with it, in RE2's words.
    pub fn compile(pattern: &str) -> Result<Pattern, String> {
        let pattern = without_quotes(pattern);
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
    let ascii = RegexBuilder::new(pattern).unicode(false).octal(true).build();
    ascii.or_else(|_| RegexBuilder::new(pattern).octal(true).build())
}

/// `\Q…\E`, which Java's `Pattern.quote` writes and this engine does not know.
fn without_quotes(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        if let Some(quoted) = escape.strip_prefix("\\Q") {
            let (text, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            plain.push_str(&regex::escape(text));
            rest = after;
        } else {
            let length = escape.chars().take(2).map(char::len_utf8).sum();
            let (kept, after) = escape.split_at(length);
            plain.push_str(kept);
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

fn describe(error: &str) -> String {
    let last = error.lines().rfind(|line| line.starts_with("error: "));
    let Some(said) = last.and_then(|line| line.strip_prefix("error: ")) else {
        return "invalid repeat count".to_owned();
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
        ("repetition", "invalid repeat count"),
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
}
