//! The last lines that a child wrote, for the administrator who wants to know why.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::{AsyncRead, AsyncReadExt};

const MAX_LINES: usize = 30;
const MAX_LINE_BYTES: usize = 400;

/// A bounded log that one task fills and others read.
#[derive(Clone, Default)]
pub struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Tail {
    /// Reads a stream to its end in the background, so that its writer never waits.
    pub fn follow(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let tail = Self::default();
        tokio::spawn(tail.clone().read(stream));
        tail
    }

    async fn read(self, mut stream: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 4096];
        let mut line = Vec::new();
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            for byte in &buffer[..read] {
                if *byte == b'\n' {
                    self.push(&line);
                    line.clear();
                } else if line.len() < MAX_LINE_BYTES {
                    line.push(*byte);
                }
            }
        }
        self.push(&line);
    }

    fn push(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line).trim().to_owned();
        if text.is_empty() {
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(text);
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_last_lines_and_cuts_long_ones() {
        let mut text = String::new();
        for number in 0..100 {
            text.push_str(&format!("line {number}\n\n"));
        }
        text.push_str(&"x".repeat(10_000));
        let tail = Tail::default();
        tail.clone().read(text.as_bytes()).await;
        let lines = tail.lines();
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines[0], "line 71");
        assert_eq!(lines[MAX_LINES - 1].len(), MAX_LINE_BYTES);
    }
}
