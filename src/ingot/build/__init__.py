"""The build engine: template → manifest → packages → tree → disk → format.

It knows nothing of HTTP or the database; `ingot build template.yml -o disk.qcow2` uses it alone.
"""
