"""Sending without listening: alerts from scripts, and from programs that only have news.

* `notifier` -- `Notifier`: alerts that are sent from an open store, and the people they go to;
* `values` -- what is told of both;
* `opening` -- `open_notifier`, and `notify`, one call for one alert;
* `line` -- programs that use the same store take turns;
* `texts` -- text that comes from anywhere, made fit for a message;
* `attachments` -- a file as the app shows it best;
* `apprise` -- the plugin for Apprise.
"""
