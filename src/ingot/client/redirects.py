"""Follow redirects to where files lie, without taking along what is for the server alone."""

import httpx

from ingot.client.errors import ClientError

#: A redirect to a redirect is unusual, many are a circle.
_MOST = 5
#: Of the server: its login, its cookies, and what names its entity tags.
_OWN = (
    *("authorization", "proxy-authorization", "cookie"),
    *("if-match", "if-none-match", "if-range", "if-modified-since", "if-unmodified-since"),
)


def send(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """The answer to a request, as a stream; another host gets neither our login nor conditions about our tags."""
    response = client.send(request, stream=True, follow_redirects=False)
    for _ in range(_MOST):
        following = response.next_request
        if following is None:
            return response
        response.close()
        if _origin(following.url) != _origin(request.url):
            for name in _OWN:
                following.headers.pop(name, None)
        response = client.send(following, stream=True, auth=None, follow_redirects=False)
    response.close()
    raise httpx.TooManyRedirects("the server sends in circles", request=request)


def is_elsewhere(response: httpx.Response, address: str) -> bool:
    """Whether an answer came from another host than that of an address."""
    return _origin(response.url) != _origin(httpx.URL(address))


def refusal(response: httpx.Response) -> ClientError:
    """What to say of another host's refusal."""
    return ClientError(
        f"The server sends to {response.url.host}, which refuses the download with {response.status_code} "
        f"{response.reason_phrase}. Try again; if it stays so, tell the server's administrator."
    )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
