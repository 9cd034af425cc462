//! A server that gives every request the same answer, byte by byte, and counts them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The server. Its thread ends with the process.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) endpoint: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// Answers with what `answer` writes.
    pub(crate) fn start(
        answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(move |_, stream| answer(stream))
    }

    /// Answers a call of EC2 with the body that `answer` has for its name.
    pub(crate) fn of_ec2(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::serve(move |form, stream| {
            let call = form.split('&').find_map(|field| field.strip_prefix("Action=")).unwrap_or_default();
            let body = answer(call);
            let length = body.len();
            write!(stream, "HTTP/1.1 200 X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        })
    }

    /// Answers with what `answer` writes to the body of a request.
    fn serve(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // A client that has read enough goes away in the middle.
                if let Ok(body) = read_request(&stream) {
                    counter.fetch_add(1, Ordering::SeqCst);
                    let _ = answer(&String::from_utf8_lossy(&body), &mut stream);
                }
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        Self { endpoint, requests }
    }

    /// Answers with a status and a body.
    pub(crate) fn respond_with(status: u16, headers: &'static str, body: Vec<u8>) -> Self {
        Self::start(move |stream| {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
            )?;
            stream.write_all(&body)
        })
    }

    /// Requests since the last time that this was asked.
    pub(crate) fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::SeqCst)
    }
}

fn read_request(stream: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}
