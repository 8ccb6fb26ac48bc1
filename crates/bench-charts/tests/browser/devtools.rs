//! A browser without a window, spoken to by the Chrome DevTools Protocol over a pipe.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Far more than anything takes, on a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(240);

/// A browser with one page. It ends with this value.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    /// What happened meanwhile.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts `$CHROMIUM`, or `chromium`.
    pub(crate) fn start() -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let program = env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        // The protocol is spoken over descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#,
                &program,
            ])
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                // Neither root nor most containers can have a sandbox.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-extensions",
                "--window-size=1300,900",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Browser {
            child,
            commands,
            messages,
            session: None,
            last_id: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Shows a file. What happened before is forgotten.
    pub(crate) fn open(&mut self, file: &Path) {
        self.events.clear();
        let url = url(file);
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.wait_for("document.readyState === 'complete'");
    }

    /// The value of an expression of the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let ask = json!({
            "expression": expression,
            "returnByValue": true,
            "awaitPromise": true,
        });
        let answer = self.call("Runtime.evaluate", ask);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until a condition of the page holds.
    pub(crate) fn wait_for(&mut self, condition: &str) {
        self.eval(&format!(
            "new Promise((done) => {{
                const look = () => (({condition}) ? done(true) : setTimeout(look, 20));
                look();
            }})"
        ));
    }

    /// Everything the browser has told since the page was opened.
    pub(crate) fn events(&self) -> &[Value] {
        &self.events
    }

    /// Makes the page believe that the system has this preference.
    pub(crate) fn prefer_color_scheme(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let mut line = serde_json::to_vec(&command).unwrap();
        line.push(0);
        self.commands.write_all(&line).unwrap();
        loop {
            let message = self.messages.recv_timeout(LIMIT);
            let mut message = message.unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            // What waits for the script that just died would wait long.
            assert_ne!(message["method"], "Runtime.exceptionThrown", "{message}");
            self.events.push(message);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The URL of a file.
pub(crate) fn url(file: &Path) -> String {
    format!("file://{}", file.canonicalize().unwrap().display())
}
