"""The bytes that clients and servers exchange: records, operations, frames."""
