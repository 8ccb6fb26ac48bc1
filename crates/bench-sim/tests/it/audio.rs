//! Transcriptions.

use crate::client::{Answer, Client, End, server};

const PATH: &str = "/v1/audio/transcriptions";

/// A silent 16-bit mono WAV file at 16 kHz.
fn wav(seconds: f64) -> Vec<u8> {
    let data = (seconds * 32_000.0) as u32;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(16_000u32.to_le_bytes());
    file.extend(32_000u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(data.to_le_bytes());
    file.resize(file.len() + data as usize, 0);
    file
}

/// A form with a file and further fields.
fn form(file: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
    let mut form = b"--boundary\r\nContent-Disposition: form-data; name=\"file\"; \
          filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
        .to_vec();
    form.extend(file);
    for (name, value) in fields {
        let part = format!(
            "\r\n--boundary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}"
        );
        form.extend(part.as_bytes());
    }
    form.extend(b"\r\n--boundary--\r\n");
    form
}

fn post(body: &[u8]) -> Answer {
    let server = server(|_| {});
    let mut client = Client::new(&server);
    let kind = "multipart/form-data; boundary=boundary";
    client.send_bytes(
        "POST",
        PATH,
        &[("content-type", kind), ("x-request-id", "r")],
        body,
    );
    client.read()
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

#[test]
fn a_transcription_is_as_long_as_the_sound() {
    for (seconds, output, rounded) in [(0.1, 1, 1), (2.0, 6, 2), (10.5, 32, 11)] {
        let answer = post(&form(
            &wav(seconds),
            &[("model", "sim-model"), ("language", "en")],
        ));
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json"))
        );
        let value = answer.json();
        assert_eq!(words(value["text"].as_str().unwrap()), output);
        let usage = serde_json::json!({ "type": "duration", "seconds": rounded });
        assert_eq!(value["usage"], usage);
    }
}

#[test]
fn a_streamed_transcription() {
    let fields = [("stream", "True"), ("stream_include_usage", "true")];
    let answer = post(&form(&wav(0.6), &fields));
    let created = answer.objects()[0]["created"].to_string();
    let events: Vec<_> = answer
        .events()
        .iter()
        .map(|e| e.replace(&created, "T"))
        .collect();
    let head = "{\"id\":\"transcribe-r\",\"object\":\"transcription.chunk\",\"created\":T,\
                \"model\":\"sim-model\",\"choices\":[";
    let word = &answer.strings("/choices/0/delta/content")[1];
    let expected = [
        format!("{head}{{\"delta\":{{\"content\":\" simulated\"}}}}]}}"),
        format!(
            "{head}{{\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":\"stop\",\
             \"stop_reason\":null}}]}}"
        ),
        format!(
            "{head}],\"usage\":{{\"prompt_tokens\":30,\"total_tokens\":32,\
             \"completion_tokens\":2}}}}"
        ),
        "[DONE]".to_owned(),
    ];
    assert_eq!(events, expected);
    assert_eq!(answer.end, End::Clean);
}

#[test]
fn usage_comes_with_every_event_or_never() {
    let counts = |fields: &[(&str, &str)]| -> Vec<_> {
        let objects = post(&form(&wav(1.0), fields)).objects();
        let count = |o: &serde_json::Value| o["usage"]["completion_tokens"].as_u64();
        objects.iter().map(count).collect()
    };
    let always = [
        ("stream", "1"),
        ("stream_include_usage", "True"),
        ("stream_continuous_usage_stats", "True"),
    ];
    assert_eq!(counts(&always), [Some(1), Some(2), Some(3), Some(3)]);
    assert_eq!(counts(&always[..1]), [None; 3]);
}

#[test]
fn an_output_cut_short_says_so() {
    let finish = |most| {
        let fields = [("stream", "true"), ("max_completion_tokens", most)];
        let answer = post(&form(&wav(4.0), &fields));
        let text = answer.strings("/choices/0/delta/content").concat();
        (words(&text), answer.finish().unwrap())
    };
    assert_eq!(finish("5"), (5, "length".to_owned()));
    assert_eq!(finish("12"), (12, "stop".to_owned()));
    assert_eq!(finish("500"), (12, "stop".to_owned()));
}

#[test]
fn faults_hit_them_as_well() {
    let fields = |fault| [("stream", "true"), ("sim_fault", fault)];
    let answer = post(&form(&wav(4.0), &fields("error:3")));
    assert_eq!((answer.objects().len(), answer.done()), (4, true));
    assert_eq!(answer.objects()[3]["error"]["code"], 500);
    let answer = post(&form(&wav(4.0), &fields("abort:3")));
    assert_eq!(answer.finish().as_deref(), Some("abort"));
}

#[test]
fn what_is_no_sound_or_no_form_is_refused() {
    let sound = wav(1.0);
    let cases = [
        (
            b"{\"model\":\"sim-model\"}".to_vec(),
            "body",
            "not a multipart form",
        ),
        (form(b"", &[]), "file", "Invalid or unsupported audio file"),
        (
            form(&sound[..40], &[]),
            "file",
            "Invalid or unsupported audio file",
        ),
        (form(b"ID3 an mp3", &[]), "file", "Send a WAV file"),
        (
            form(&wav(700.0), &[]),
            "input_tokens",
            "maximum context length",
        ),
        (
            form(&sound, &[("stream", "maybe")]),
            "stream",
            "true or false",
        ),
        (
            form(&sound, &[("max_completion_tokens", "0")]),
            "max_completion_tokens",
            "at least 1",
        ),
        (
            form(&sound, &[("response_format", "srt")]),
            "response_format",
            "json or text",
        ),
        (
            form(&sound, &[("stream_include_usage", "true")]),
            "stream_include_usage",
            "stream=True",
        ),
    ];
    for (body, wrong, says) in cases {
        let answer = post(&body);
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["param"]),
            (400, &wrong.into()),
            "{error}"
        );
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    }
    let no_file = form(&sound, &[("model", "sim-model")]);
    let no_file = String::from_utf8_lossy(&no_file).replace("name=\"file\"", "name=\"sound\"");
    assert_eq!(post(no_file.as_bytes()).json()["error"]["param"], "file");
    assert_eq!(post(&form(&sound, &[("model", "nope")])).status, 404);
}
