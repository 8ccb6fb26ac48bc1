//! Long names made short enough for a column.

/// The names in at most `width` characters each, all different.
///
/// What says nothing goes first: the scheme and the path that all of them share. Then the
/// middle, since names of machines differ at either end. Names that still look alike are
/// numbered.
pub(super) fn shorten(names: &[&str], width: usize) -> Vec<String> {
    let bare: Vec<&str> = names.iter().map(|name| without_scheme(name)).collect();
    let path = |name: &str| name.find('/').map(|at| name[at..].to_owned());
    let same_path = bare.windows(2).all(|pair| path(pair[0]) == path(pair[1]));
    let urls = names.iter().all(|name| name.contains("://"));
    let telling = |name: &str| match name.find('/') {
        Some(at) if urls && same_path => name[..at].to_owned(),
        _ => name.to_owned(),
    };
    let telling: Vec<String> = bare.iter().map(|name| telling(name)).collect();
    let short: Vec<String> = telling.iter().map(|name| cut(name, width)).collect();
    let alike = |name: &String| short.iter().filter(|other| *other == name).count() > 1;
    let numbered = short.iter().enumerate().map(|(number, name)| {
        if !alike(name) {
            return name.clone();
        }
        let prefix = format!("#{} ", number + 1);
        let rest = cut(&telling[number], width.saturating_sub(prefix.len()));
        format!("{prefix}{rest}")
    });
    numbered.collect()
}

fn without_scheme(name: &str) -> &str {
    name.split_once("://").map_or(name, |(_, rest)| rest)
}

/// Leaves the middle out of a name that is too long.
fn cut(name: &str, width: usize) -> String {
    const GAP: &str = "..";
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let kept = width.saturating_sub(GAP.len());
    let tail = kept / 2;
    let head: String = name.chars().take(kept - tail).collect();
    let tail: String = name.chars().skip(length - tail).collect();
    format!("{head}{GAP}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_urls_share_is_left_out() {
        let names = [
            "http://10.0.0.1:8000/v1/completions",
            "http://10.0.0.2:8000/v1/completions",
        ];
        assert_eq!(shorten(&names, 22), ["10.0.0.1:8000", "10.0.0.2:8000"]);
        let paths = ["http://h:1/a/v1", "http://h:1/b/v1"];
        assert_eq!(shorten(&paths, 22), ["h:1/a/v1", "h:1/b/v1"]);
        assert_eq!(
            shorten(&["org/base", "sql-lora"], 22),
            ["org/base", "sql-lora"]
        );
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        let names = ["https://gpu-17.eu-west.cluster.example:8443", "https://b:1"];
        assert_eq!(shorten(&names, 16), ["gpu-17...le:8443", "b:1"]);
        let accents = ["\u{e9}".repeat(40)];
        assert_eq!(shorten(&[&accents[0]], 10)[0].chars().count(), 10);
    }

    #[test]
    fn names_that_look_alike_are_numbered() {
        let names = [
            "replica-number-01-of-the-cluster",
            "replica-number-02-of-the-cluster",
        ];
        assert_eq!(shorten(&names, 14), ["#1 repli..ster", "#2 repli..ster"]);
        assert_eq!(shorten(&["m", "m"], 14), ["#1 m", "#2 m"]);
    }
}
