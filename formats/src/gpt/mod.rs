//! GPT: writer, reader and checker.
