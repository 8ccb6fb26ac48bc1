//! Text that comes from elsewhere, made harmless, and numbers and colours as text.

use crate::Rgb;

/// Text as plotly shows it literally. By itself plotly reads part of HTML, and `%{...}` as a
/// place to fill in.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '{' => safe.push_str("&#123;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// A colour as `#rrggbb`.
pub(super) fn hex(color: Rgb) -> String {
    let Rgb(red, green, blue) = color;
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_plotly_reads() {
        assert_eq!(
            escaped("<b>%{x}</b> & more\n"),
            "&lt;b&gt;%&#123;x}&lt;/b&gt; &amp; more "
        );
        assert_eq!(escaped("Qwen/Qwen2.5-7B"), "Qwen/Qwen2.5-7B");
        assert_eq!(hex(Rgb(0, 158, 255)), "#009eff");
    }
}
