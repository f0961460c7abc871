#!/bin/sh
# The tmux plugin: puts the segment where status-left or status-right says #{vibeusage}.
#
#   set -g status-right '#{vibeusage} %H:%M'
#   set -g @vibeusage_options '--bar 5'      # optional, for `vibeusage line tmux`
#   run-shell '/path/to/vibeusage.tmux'      # or by tpm, which runs it from the plugin's folder; after the lines above
#
# Run again it changes nothing: the placeholder is gone by then.

self=$(readlink -f -- "$0" 2>/dev/null || printf '%s' "$0")
launcher=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)/vibeusage-line
[ -x "$launcher" ] || launcher=$(command -v vibeusage-line) || launcher='vibeusage line'
case $launcher in
  *[!A-Za-z0-9/\ ._+@:,=-]*) launcher='vibeusage line' ;; # tmux would read its own syntax in such a path
  /*\ *) launcher="'$launcher'" ;;
esac
options=$(tmux show-option -gqv @vibeusage_options)
segment="#($launcher tmux${options:+ $options})"

for option in status-left status-right; do
  old=$(tmux show-option -gqv "$option")
  new=$old
  while :; do
    case $new in
      *'#{vibeusage}'*) new=${new%%'#{vibeusage}'*}$segment${new#*'#{vibeusage}'} ;;
      *) break ;;
    esac
  done
  [ "$new" = "$old" ] || tmux set-option -g "$option" "$new"
done
