"""What a page says once, after a form was sent."""

import re

from msgspec import Struct

from shop.core.cart.model import MOST_LINES, MOST_OF_ONE

_NOTE = re.compile(r"([a-z-]{1,40})(?:\.(\d{1,6}))?")

#: What a page says once after a form was sent; `{}` is a number.
NOTES = {
    "added": "Added to your cart.",
    "few-left": "Only {} left: please choose fewer.",
    "sold-out": "This item has just sold out.",
    "not-for-sale": "This item is not for sale any more.",
    "foreign-currency": "This item is priced in another currency, and cannot be bought here.",
    "cart-full": f"Your cart is full: it holds {MOST_LINES} different items.",
    "quantity": f"Please choose a quantity from 1 to {MOST_OF_ONE}.",
    "coupon-on": "Coupon applied.",
    "signed-out": "You are signed out.",
    "signed-in": "Welcome back.",
    "welcome": "Your account is ready. We have sent you a link to confirm your e-mail address.",
    "verified": "Thank you, your e-mail address is confirmed.",
    "password": "Your password is changed. Please sign in with the new one.",
    "password-changed": "Your password is changed; your other devices are signed out.",
    "saved": "Saved.",
    "sign-in-late": "That took too long, or too many tries. Please sign in again.",
    "factor-first": "Staff of this shop need a second factor. Please set one up to go on.",
    "factor-added": "It is set up: from now on we ask for it when you sign in.",
    "factor-removed": "It is removed.",
    "factors-reset": "Their second factors are taken away, and every device is signed out.",
    "factors-none": "There is no second factor; nothing was changed.",
    "own-factors": "Your own second factors are changed in your account, under Security.",
    "own-role": "Nobody may take the administrator's role from themselves.",
    "factor-last": "Staff keep a second factor: set up another before removing this one.",
    "email-waits": "Saved. Please open the link we have sent to the new e-mail address.",
    "removed": "Removed.",
    "address-most": "You have as many addresses as one account can keep.",
    "session-ended": "That device is signed out.",
    "mail-sent": "If there is such an account, a mail is on its way.",
    "ordered": "Thank you for your order. A confirmation is on its way to you by e-mail.",
    "cancelled": "The order is cancelled.",
    "return-asked": "We have noted what you want to send back, and will write to you.",
    "order-moved": "The order is updated.",
    "order-state": "The order has moved on meanwhile; nothing was changed.",
    "refund-asked": "The refund is on its way.",
    "refund-large": "That is more than can still be refunded.",
    "no-link": "The payment page does not answer right now. Please try again in a minute.",
    "review-not-a-buyer": "Only customers who received this product can review it.",
    "review-exists": "You have reviewed this product already.",
    "reviewed": "Thank you for your review.",
    "sign-in-again": "Please sign out and in again first: this needs a sign-in just now.",
    "consent-denied": "You did not let the other service sign you in. Nothing has changed.",
    "password-first": "There is an account with this e-mail address. Sign in with its password; "
    "then you can link the profile here.",
    "profile-linked": "The profile is linked: you can sign in with it from now on.",
    "profile-unlinked": "The profile is unlinked.",
    "profile-taken": "This profile signs in to another account already.",
    "profile-most": "You have as many linked profiles as one account can keep.",
    "last-way-in": "Please set a password first: this is the only way to sign in.",
    "account-deleted": "Your account is deleted. Goodbye, and thank you.",
    "mail-resent": "The mail is queued again.",
    "last-variant": "A product for sale needs a variant with a price.",
    "category-in-use": "Other categories or products still stand in this one.",
}
_TROUBLE = frozenset(
    {
        "sign-in-late",
        "factor-first",
        "factor-last",
        "own-factors",
        "own-role",
        "last-variant",
        "category-in-use",
        "few-left",
        "sold-out",
        "not-for-sale",
        "foreign-currency",
        "cart-full",
        "quantity",
        "order-state",
    }
    | {"sign-in-again", "password-first", "profile-taken", "profile-most", "last-way-in"}
    | {"refund-large", "no-link", "address-most", "review-not-a-buyer", "review-exists"}
)


class Note(Struct, frozen=True):
    text: str
    trouble: bool


def told(code: str) -> Note | None:
    """The note of a code, `some-note` or `some-note.3` with a number for the text."""
    found = _NOTE.fullmatch(code)
    if found is None or found[1] not in NOTES:
        return None
    return Note(NOTES[found[1]].format(found[2] or ""), found[1] in _TROUBLE)
