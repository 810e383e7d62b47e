"""What each problem code means, for people who write programs against the API.

`/problems/{code}` shows it, and the reference of errors is made from it; a code without a text
fails the tests.
"""

from collections.abc import Iterator

from shop.core.kernel.errors import ShopError
from shop.entrypoints.http.problems import CODES, INTERNAL, OTHER, status_of_kind

MEANINGS: dict[str, str] = {
    "address-not-found": "The account keeps no address with this id.",
    "bad-credentials": "E-mail address or password is wrong, or the passkey is not known. The "
    "answer is the same for an address that has no account.",
    "body-too-large": "The request's body is larger than this route takes. Send less, or a smaller "
    "file.",
    "cart-empty": "There is nothing in the cart that could be ordered.",
    "cart-full": "A cart holds at most `facts.most` different items. Remove one first.",
    "cart-item-not-found": "The cart has no such line; it may have been removed meanwhile. Load "
    "the cart again.",
    "category-in-use": "Other categories or products still stand in it. Move them first.",
    "category-loop": "A category cannot stand below itself or below one of its own.",
    "category-not-found": "There is no such category.",
    "client-not-found": "No program is registered under this id.",
    "code-wrong": "The first code of the new app is not the one that it shows now. Look at the "
    "clock of the phone, and send the next code.",
    "conflict": "The present state does not allow this. Load it again and decide anew.",
    "consent-denied": "The person said no at the service they were to sign in with.",
    "coupon-invalid": "The coupon cannot be used on this cart; `facts.reason` says why.",
    "denied": "The caller is known, and does not have the permission. Another account or a wider "
    "scope is needed; repeating the call does not help.",
    "email-erased": "The mail cannot be sent again: whoever it went to has deleted their account.",
    "email-not-found": "There is no such mail.",
    "email-spent": "The mail was sent, and its secret link is not kept: whoever asks for a new one "
    "gets it by a new mail.",
    "email-taken": "Another account has this e-mail address.",
    "email-unproven": "A new account needs an e-mail address that the provider has verified.",
    "export-not-expressible": "The file format has no room for something that a product needs.",
    "foreign-currency": "The item is priced in another currency than the shop's: it cannot be sold "
    "here.",
    "format-unsupported": "No import reads this format; `facts.supported` names those that work.",
    "fresh-sign-in-needed": "This cannot be taken back, so it asks for a sign-in of the last 15 "
    "minutes. Sign in again, then repeat it.",
    "gone": "It was there, and is used up. A repeat does not help.",
    "http-error": "The server refused the request for a reason that has no code of its own; the "
    "status and `detail` say which.",
    "idempotency-in-progress": "The first request with this Idempotency-Key is still running. Wait "
    "a moment, and repeat it with the same key and body.",
    "idempotency-key-missing": "This route needs the header Idempotency-Key, so that a repeat "
    "cannot do it twice. Any string of up to 255 visible characters; a new one for each intent.",
    "idempotency-key-reused": "The Idempotency-Key was used for a different request. Take a new "
    "key for a new intent.",
    "image-unsupported": "The file is no picture of a kind that the shop takes, or too large.",
    "import-not-found": "There is no such import.",
    "import-unreadable": "The file as a whole is not what the format promises; nothing was taken "
    "from it. `detail` and `facts` say where it breaks off.",
    "internal-error": "Something went wrong on the shop's side, and is in its log under the "
    "`request_id`. A repeat with the same Idempotency-Key is safe.",
    "invalid": "The request is well-formed, but makes no sense to the shop; `detail` says why.",
    "invalid-client": "The program is unknown, or did not prove who it is.",
    "invalid-grant": "The refresh token is unknown, used up, expired, or of a session that has "
    "ended. Sign in again.",
    "invalid-scope": "More was asked for than the program may have, or than was granted.",
    "last-administrator": "This is the last account that can run the shop. Make another "
    "administrator first.",
    "last-second-factor": "Staff of this shop keep at least one second factor. Set up another "
    "before removing this one.",
    "last-way-in": "It is the only way to sign in to the account. Set a password first.",
    "media-not-found": "There is no such picture.",
    "media-unavailable": "The store of pictures does not answer. Try again.",
    "method-not-allowed": "The path exists, but not with this method; the header Allow names "
    "those that work.",
    "not-a-price": "A text in an import cannot be read as an amount.",
    "not-found": "There is no such thing, or it is not yours: the shop does not say which.",
    "order-not-found": "There is no such order, or it is not yours.",
    "order-state": "The order's status does not allow this move; `facts.status` is the present "
    "one. Load the order again.",
    "orders-open": "Goods or money are still on their way, so the account cannot be deleted yet; "
    "`facts.orders` are the numbers of the orders.",
    "out-of-stock": "There are fewer pieces than were asked for. `facts` name the variant and how "
    "many are left: lower the quantity, or remove it.",
    "own-factors": "Administrators change their own second factors in their account, not here.",
    "own-role": "Nobody may take the administrator's role from themselves.",
    "passkey-not-found": "The account has no such passkey.",
    "passkey-refused": "The passkey's answer proves nothing: it was made for another site, too "
    "late, or not by this account's key. Begin again.",
    "password-first": "There is an account with this e-mail address and a password. Its owner "
    "signs in with that, and links the profile then.",
    "payment-gateway-unavailable": "The payment gateway did not answer, or not in a way to rely "
    "on. Try again; nothing is charged twice.",
    "payment-method-unavailable": "This order cannot be paid in this way; ask "
    "`/api/v1/payment-methods` what it can.",
    "payment-not-found": "There is no such payment, or it is not yours.",
    "payment-state": "The payment's status does not allow this; `facts.status` is the present one.",
    "price-changed": "The total is no longer `expected_total`; `facts` hold the new one. Show it, "
    "and order again if the buyer agrees.",
    "product-not-found": "There is no such product, or it is not on sale.",
    "product-not-sellable": "A product on sale needs a variant with a price.",
    "profile-not-found": "The account has no such linked profile.",
    "profile-taken": "The profile already signs in to another account.",
    "proof-needed": "A change of second factors needs a proof: the password, a code, or a sign-in "
    "of moments ago; `detail` says which.",
    "provider-not-found": "Nobody can sign in here with this service.",
    "provider-unavailable": "The service to sign in with does not answer, or not in a way to rely "
    "on. Try again later, or sign in with the password.",
    "rate-limited": "Too often. Wait for as many seconds as Retry-After says; the headers "
    "RateLimit and RateLimit-Policy tell beforehand.",
    "redirect-uri-unknown": "The redirect URI is not one that the program was registered with, "
    "letter for letter, so nobody is sent there.",
    "refund-not-found": "There is no such refund.",
    "refund-too-large": "More is to be refunded than is left of the payment; `facts.refundable` "
    "is what is left.",
    "reset-answer-wrong": "The account asks a question before the password is set anew, and the "
    "answer is missing or wrong; `facts.question` is the question.",
    "return-refused": "More is to be sent back than was bought.",
    "review-exists": "Somebody reviews a product once.",
    "review-not-a-buyer": "Only customers who received the product may review it.",
    "sandbox-link-closed": "The test gateway's payment link was cancelled.",
    "sandbox-link-expired": "The test gateway's payment link has expired.",
    "sandbox-link-unknown": "The test gateway knows no such payment link.",
    "schema-newer": "The database belongs to a later version of the shop. Run that version.",
    "second-factor-enrolment-required": "Staff of this shop act only in sessions in which they "
    "showed a second factor. Set one up, or sign in again with it.",
    "second-factor-missing": "There is no second factor to confirm, remove, or make codes for.",
    "second-factor-required": "The first factor was right. Go on with `facts.ticket` and one of "
    "`facts.methods`.",
    "second-factor-unreadable": "The shop's key has changed since the app was set up, so its codes "
    "cannot be checked. Use another second factor.",
    "second-factor-wrong": "The code is wrong, used up, or too late.",
    "session-not-found": "The account has no such session.",
    "shipping-method-unknown": "There is no such shipping method.",
    "signature-invalid": "The signature does not belong to this body and the shop's secret, so "
    "nothing was changed.",
    "slug-taken": "Another product or category has this slug.",
    "social-sign-in-refused": "What came back from the service to sign in with proves nothing. "
    "Begin again.",
    "stale-write": "Somebody else changed it meanwhile. Load it again, and repeat.",
    "ticket-invalid": "The sign-in took too long or too many tries. Begin again with the first "
    "factor.",
    "token-expired": "The mailed link was used, is too old, or was replaced by a newer one.",
    "token-invalid": "The token of the mailed link is not the shop's, or not meant for this.",
    "too-many-addresses": "The account keeps as many addresses as it can (`facts.most`). Remove "
    "one first.",
    "too-many-passkeys": "The account keeps as many passkeys as it can. Remove one first.",
    "too-many-profiles": "The account has as many linked profiles as it can. Unlink one first.",
    "unauthenticated": "Nobody is signed in, or the access token has expired or was revoked. Renew "
    "it, or sign in again.",
    "unauthorized-client": "The program may not use this grant; a public client cannot act for "
    "itself.",
    "unavailable": "Not now: a server behind the shop is away, or too much waits already. Wait for "
    "as long as Retry-After says, and repeat with the same Idempotency-Key.",
    "unsupported-media-type": "The body has a Content-Type that the route does not read.",
    "user-not-found": "There is no such account.",
    "validation-failed": "Fields are missing, of the wrong type or out of range; `errors` names "
    "each one.",
    "variant-exists": "The product already has a variant with these options.",
    "variant-options": "A new variant needs a value for each option that the product's other "
    "variants have, and no others; `facts.options` names them.",
    "variant-not-found": "There is no such variant, or it is not on sale.",
    "weak-password": "The password is too short, too easily guessed, or part of the person's own "
    "name; `detail` says which.",
}


def statuses() -> dict[str, frozenset[int]]:
    """Each code that this process can answer with, and the statuses it comes with."""
    found: dict[str, set[int]] = {INTERNAL: {500}, OTHER: set()}
    for status, code in CODES.items():
        found.setdefault(code, set()).add(status)
    for kind in _kinds(ShopError):
        found.setdefault(kind.code, set()).add(status_of_kind(kind))
    return {code: frozenset(told) for code, told in sorted(found.items())}


def _kinds(kind: type[ShopError]) -> Iterator[type[ShopError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)
