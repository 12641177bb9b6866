"""A server that computes in a thread of its own, and starts it when this file is imported."""

from concurrent.futures import ThreadPoolExecutor

from flask import Flask, request

pool = ThreadPoolExecutor(1)
pool.submit(sum, [1, 2]).result()  # warmed up: now its thread lives

app = Flask(__name__)


@app.post("/sum")
def total():
    return {"sum": pool.submit(sum, request.get_json()["numbers"]).result()}
