//! Forms with a file in them: `multipart/form-data`.

use memchr::memmem;

/// A form that is being filled in.
#[derive(Debug, Default)]
pub(crate) struct Form<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Debug)]
struct Part<'a> {
    head: String,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    Text(String),
    File(&'a [u8]),
}

impl Content<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Content::Text(text) => text.as_bytes(),
            Content::File(bytes) => bytes,
        }
    }
}

impl<'a> Form<'a> {
    /// Adds a field.
    pub(crate) fn text(&mut self, name: &str, value: String) {
        let name = quoted(name);
        self.parts.push(Part {
            head: format!("Content-Disposition: form-data; name={name}\r\n\r\n"),
            content: Content::Text(value),
        });
    }

    /// Adds a file.
    pub(crate) fn file(
        &mut self,
        name: &str,
        file_name: &str,
        content_type: &str,
        bytes: &'a [u8],
    ) {
        let (name, file_name) = (quoted(name), quoted(file_name));
        let head = format!(
            "Content-Disposition: form-data; name={name}; filename={file_name}\r\n\
             Content-Type: {content_type}\r\n\r\n"
        );
        let content = Content::File(bytes);
        self.parts.push(Part { head, content });
    }

    /// The content type of the form, and the form.
    pub(crate) fn finish(self) -> (String, Vec<u8>) {
        let boundary = boundary(self.unused());
        let size = |part: &Part<'_>| part.head.len() + part.content.bytes().len();
        let sizes: usize = self.parts.iter().map(size).sum();
        let frame = boundary.len() + "--\r\n\r\n".len();
        let mut body = Vec::with_capacity(sizes + (self.parts.len() + 1) * frame);
        for part in &self.parts {
            for piece in ["--", &boundary, "\r\n", &part.head] {
                body.extend_from_slice(piece.as_bytes());
            }
            body.extend_from_slice(part.content.bytes());
            body.extend_from_slice(b"\r\n");
        }
        for piece in ["--", &boundary, "--\r\n"] {
            body.extend_from_slice(piece.as_bytes());
        }
        (format!("multipart/form-data; boundary={boundary}"), body)
    }

    /// The first number whose boundary occurs nowhere in the form.
    fn unused(&self) -> u64 {
        let occurs = |number: &u64| {
            let boundary = boundary(*number);
            let finder = memmem::Finder::new(&boundary);
            let mut parts = self.parts.iter();
            parts.any(|part| {
                let texts = [part.head.as_bytes(), part.content.bytes()];
                texts.iter().any(|text| finder.find(text).is_some())
            })
        };
        // The form is finite, so some number is not in it.
        (0..).find(|number| !occurs(number)).unwrap_or_default()
    }
}

fn boundary(number: u64) -> String {
    format!("bench-form-{number:016x}")
}

/// A name in quotes, with what would end it or its line escaped as browsers do.
fn quoted(name: &str) -> String {
    let name = name.replace('"', "%22");
    format!("\"{}\"", name.replace('\r', "%0D").replace('\n', "%0A"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_framed_as_the_standard_says() {
        let mut form = Form::default();
        form.file("file", "a\"b\r\n.wav", "audio/wav", b"\0\r\n--\xFF");
        form.text("model", "m".into());
        let (content_type, body) = form.finish();
        let boundary = "bench-form-0000000000000000";
        let expected = format!("multipart/form-data; boundary={boundary}");
        assert_eq!(content_type, expected);
        let file = "Content-Disposition: form-data; name=\"file\"; \
                    filename=\"a%22b%0D%0A.wav\"\r\nContent-Type: audio/wav\r\n\r\n";
        let model = "Content-Disposition: form-data; name=\"model\"\r\n\r\nm";
        let expected = [
            format!("--{boundary}\r\n{file}").as_bytes(),
            b"\0\r\n--\xFF",
            format!("\r\n--{boundary}\r\n{model}\r\n--{boundary}--\r\n").as_bytes(),
        ]
        .concat();
        assert_eq!(body, expected);
    }

    #[test]
    fn the_boundary_occurs_nowhere_in_the_form() {
        let taken = format!("{}\r\n--{}", boundary(0), boundary(2));
        let mut form = Form::default();
        form.file("file", &boundary(1), "audio/wav", taken.as_bytes());
        form.text("x", boundary(3));
        let (content_type, body) = form.finish();
        assert!(content_type.ends_with(&boundary(4)), "{content_type}");
        let marks = memmem::find_iter(&body, boundary(4).as_bytes()).count();
        assert_eq!(marks, 3);
    }
}
