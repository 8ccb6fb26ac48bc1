//! A reader for `multipart/form-data` (RFC 7578) that is whole already.

use memchr::memmem;

/// One field of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) body: &'a [u8],
}

/// Reads all parts, or says what is wrong.
///
/// The boundary is taken from the first line, so there may be nothing before it.
pub(super) fn parts(body: &[u8]) -> Result<Vec<Part<'_>>, &'static str> {
    let line = memmem::find(body, b"\r\n").map(|end| &body[..end]);
    let boundary = line
        .filter(|line| line.len() > 2 && line.starts_with(b"--"))
        .ok_or("the body does not start with a boundary")?;
    let delimiter = [b"\r\n", boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut rest = &body[boundary.len()..];
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let part = rest
            .strip_prefix(b"\r\n")
            .ok_or("a boundary is followed by neither a line end nor \"--\"")?;
        let end = finder.find(part).ok_or("the last boundary is missing")?;
        parts.push(read_part(&part[..end])?);
        rest = &part[end + delimiter.len()..];
    }
    Ok(parts)
}

fn read_part(part: &[u8]) -> Result<Part<'_>, &'static str> {
    let end = memmem::find(part, b"\r\n\r\n").ok_or("a part has no headers")?;
    let (headers, body) = (&part[..end], &part[end + 4..]);
    let headers = std::str::from_utf8(headers).map_err(|_| "the headers of a part are no text")?;
    let disposition = headers.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    });
    let name = disposition.and_then(|value| {
        let mut parameters = value.split(';').skip(1);
        parameters.find_map(|parameter| parameter.trim().strip_prefix("name="))
    });
    let name = name.ok_or("a part has no name")?.trim_matches('"');
    Ok(Part { name, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"--xyz\r\n\
        Content-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n\
        --xyz\r\n\
        content-type: audio/wav\r\ncontent-disposition: form-data; filename=\"a.wav\"; name=file\r\n\r\n\
        \x00\r\n--xy\xff\r\n\r\n\
        --xyz--\r\n";

    #[test]
    fn parts_keep_their_bytes() {
        let parts = parts(FORM).unwrap();
        let expected = [
            Part {
                name: "model",
                body: b"m",
            },
            Part {
                name: "file",
                body: b"\x00\r\n--xy\xff\r\n",
            },
        ];
        assert_eq!(parts, expected);
        assert_eq!(
            super::parts(b"--x\r\n--x--").unwrap_err(),
            "the last boundary is missing"
        );
    }

    #[test]
    fn a_form_cut_short_is_refused_wherever_it_is_cut() {
        let whole = FORM.len() - "\r\n".len();
        for length in 0..whole {
            assert!(parts(&FORM[..length]).is_err(), "{length} bytes");
        }
        assert!(parts(&FORM[..whole]).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases: [(&[u8], &str); 5] = [
            (b"{\"model\":\"m\"}\r\n", "does not start with a boundary"),
            (b"--\r\n", "does not start with a boundary"),
            (b"--x\r\na\r\n--xy", "no headers"),
            (b"--x\r\nA: b\r\n\r\n\r\n--x--", "no name"),
            (
                b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--x?",
                "neither",
            ),
        ];
        for (form, says) in cases {
            let error = parts(form).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
