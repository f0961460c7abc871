# vibeusage in the zsh prompt, from the stored segment: drawing it starts no process.
#
#   source /path/to/vibeusage.zsh        in ~/.zshrc, after the theme
#
# VIBEUSAGE_PROMPT    right (default), left, or none to place the text yourself, in single quotes so that nothing in it
#                     runs: setopt prompt_subst; PROMPT='${VIBEUSAGE_SEGMENT} %# '. With powerlevel10k, name `vibeusage`
#                     in POWERLEVEL9K_RIGHT_PROMPT_ELEMENTS. VIBEUSAGE_COMMAND: the program, if not on PATH.
#
# Sets VIBEUSAGE_SEGMENT (text with %F{} colours, every other % doubled; empty: nothing to show) and, for itself,
# _vibeusage_dir (cache folder), _mono (1: no colours), _at, _until, _due, _looked, _started (epoch seconds), _seen, _placed
# (for what), _fd (a pipe, open while
# the renderer runs). Our part of the prompt stands between two pairs of empty %{%}. With prompt_subst it names the
# variable. Without, it is the text, `$` cut off by one more %{%} and backtick turned into ': inert should the option change.

[[ -o interactive ]] || 'builtin' 'return' 0
'builtin' 'zmodload' zsh/datetime zsh/parameter zsh/zle 2>/dev/null || 'builtin' 'return' 0
if [[ -o aliases ]]; then 'builtin' 'typeset' -g _vibeusage_aliases=1; 'builtin' 'setopt' no_aliases; fi
typeset -g VIBEUSAGE_SEGMENT= _vibeusage_looked=0 _vibeusage_seen= _vibeusage_placed= _vibeusage_started="${_vibeusage_started-0}" _vibeusage_fd="${_vibeusage_fd-}"

_vibeusage_read() {  # 0: VIBEUSAGE_SEGMENT may be shown
  builtin emulate -L zsh -o no_err_exit -o no_err_return
  local cache=$HOME/.cache raw token
  [[ $OSTYPE != darwin* ]] || cache=$HOME/Library/Caches
  [[ $XDG_CACHE_HOME != /* ]] || cache=$XDG_CACHE_HOME
  typeset -g VIBEUSAGE_SEGMENT= _vibeusage_dir=${VIBEUSAGE_CACHE_DIR:-$cache/vibeusage} _vibeusage_looked=0 _vibeusage_seen=
  typeset -g _vibeusage_mono=${NO_COLOR:+1}${VIBEUSAGE_NO_COLOR:+1}${${(M)TERM:#dumb}:+1}
  local file=$_vibeusage_dir/segments/zsh${_vibeusage_mono:++mono} generation=$_vibeusage_dir/generation
  [[ -f $file && -f $generation ]] || return 1
  { raw=$(<$file) token=$(<$generation) } 2>/dev/null
  local -a head=(${=raw%%$'\n'*})
  [[ "$head[1] $head[2] $head[4]" == "vibeusage-segment 1 $token" && -n $token && -n $head[6] ]] || return 1
  [[ $head[3]$head[5]$head[6] == <-> && $#head[3] -lt 16 && $#head[5] -lt 16 && $#head[6] -lt 16 ]] || return 1
  (( head[6] <= EPOCHSECONDS && EPOCHSECONDS < head[3] )) || return 1
  [[ $raw != *$'\n'* ]] || VIBEUSAGE_SEGMENT=${${raw#*$'\n'}%%$'\n'*}
  typeset -g _vibeusage_due=$head[5] _vibeusage_at=$head[6] _vibeusage_until=$head[3] _vibeusage_looked=$EPOCHSECONDS
  typeset -g _vibeusage_seen="$HOME,$XDG_CACHE_HOME,$VIBEUSAGE_CACHE_DIR,$NO_COLOR,$VIBEUSAGE_NO_COLOR,$TERM,$token"
}
_vibeusage_same() {  # 0: what was read last may still be shown and nothing is due; the generation is all that is looked at
  [[ "${_vibeusage_seen}" == "${HOME-},${XDG_CACHE_HOME-},${VIBEUSAGE_CACHE_DIR-},${NO_COLOR-},${VIBEUSAGE_NO_COLOR-},${TERM-},"* ]] \
    && (( _vibeusage_at <= EPOCHSECONDS && EPOCHSECONDS < _vibeusage_until && EPOCHSECONDS < _vibeusage_due )) \
    && [[ -f "$_vibeusage_dir/generation" ]] && [[ "${_vibeusage_seen##*,}" == "$(<"$_vibeusage_dir/generation")" ]] 2>/dev/null && _vibeusage_looked="$EPOCHSECONDS"
}
_vibeusage_start() {  # one renderer at a time, and none within $1 seconds of the last start
  builtin emulate -L zsh -o no_err_exit -o no_err_return
  local age=$(( EPOCHSECONDS - _vibeusage_started )) program=${VIBEUSAGE_COMMAND:-vibeusage}
  (( age < 0 || age >= $1 )) && [[ -z $_vibeusage_fd && $_vibeusage_dir == /* ]] && whence -p "$program" >/dev/null || return 0
  _vibeusage_started=$EPOCHSECONDS
  exec {_vibeusage_fd}< <(
    trap '' HUP INT QUIT TSTP; exec 3>&1 >/dev/null 2>&1 </dev/null
    VIBEUSAGE_CACHE_DIR=$_vibeusage_dir NO_COLOR=$_vibeusage_mono exec "$program" line zsh
  )
  zle -F $_vibeusage_fd _vibeusage_redraw
}
_vibeusage_redraw() {  # called by zle once the renderer, and so its pipe, has ended
  local old="${VIBEUSAGE_SEGMENT-}"
  zle -F $_vibeusage_fd
  exec {_vibeusage_fd}<&-
  _vibeusage_fd=
  _vibeusage_read || _vibeusage_start 10  # a long command ran meanwhile: what was stored then has expired
  if [[ "$old" == "${VIBEUSAGE_SEGMENT-}" ]]; then return 0; fi
  _vibeusage_place
  if [[ "${WIDGET-}" != *complet* && "${WIDGET-}" != *menu* && "${WIDGET-}" != *search* ]] && zle; then zle reset-prompt; fi
}
_vibeusage_place() {
  local subst="${options[prompt_subst]}" bang="${options[prompt_bang]}"
  builtin emulate -L zsh -o no_err_exit -o no_err_return
  local mark='%{%}%{%}' text=$VIBEUSAGE_SEGMENT name='${VIBEUSAGE_SEGMENT-}' quote="'"
  PROMPT=${(S)PROMPT/"$mark"*"$mark"} RPROMPT=${(S)RPROMPT/"$mark"*"$mark"}
  [[ -n $text && $PROMPT$RPROMPT != *VIBEUSAGE_SEGMENT* && -z $functions[p10k] ]] || return 0
  [[ $bang == off ]] || text=${text//'!'/!!} name='${VIBEUSAGE_SEGMENT//\!/!!}'
  [[ $subst == on ]] && text=$name || text=${${text//'$'/'$%{%}'}//'`'/$quote}
  [[ ${VIBEUSAGE_PROMPT:-right} != right ]] || RPROMPT+=$mark${RPROMPT:+ }$text$mark
  [[ $VIBEUSAGE_PROMPT != left ]] || PROMPT=$mark$text' '$mark$PROMPT
}
_vibeusage_precmd() {
  local result=$? state
  if [[ "$_vibeusage_looked" == "$EPOCHSECONDS" ]]; then :
  elif ! _vibeusage_same && ! _vibeusage_read; then _vibeusage_start 2
  elif [[ $EPOCHSECONDS -ge $_vibeusage_due ]]; then _vibeusage_start 60; fi
  state="$VIBEUSAGE_SEGMENT,${VIBEUSAGE_PROMPT-},${options[prompt_subst]},${options[prompt_bang]},${+functions[p10k]},"
  if [[ "$_vibeusage_placed" != "$state${PROMPT-},${RPROMPT-}" ]]; then
    _vibeusage_place
    _vibeusage_placed="$state${PROMPT-},${RPROMPT-}"
  fi
  return $result
}
prompt_vibeusage() { p10k segment -c '${VIBEUSAGE_SEGMENT-}' -e -t '${VIBEUSAGE_SEGMENT-}' }  # expanded at each draw
_vibeusage_complete() {
  case $CURRENT$words[2] in
    2*) compadd -- usage line harvest dashboard watch refresh auth providers plugin key alerts status doctor report records history db config cache init install uninstall demo ;;
    3providers) compadd -- list show enable disable configure order check ;;
    3db) compadd -- path init backup restore delete migrate check prune merge export ;;
    3plugin) compadd -- list info install enable disable remove new ;;
    3report) compadd -- daily weekly monthly yearly sessions blocks models providers projects branches devices heatmap activity insights html ;;
    3install|3uninstall) compadd -- zsh bash fish tmux starship claude-code copilot qwen cursor agy cron systemd launchd ;;
    3line) compadd -- tmux starship zsh bash fish claude-code copilot qwen cursor agy waybar i3blocks polybar screen \
      zjstatus swiftbar plain ansi json ;;
  esac
  case $CURRENT$words[2] in
    2*|3auth|3key|*usage|*refresh|*status|*history|<4->providers) compadd -- ${(f)"$(command vibeusage providers list --names 2>/dev/null)"} ;;
  esac
}
vibeusage_plugin_unload() {
  builtin emulate -L zsh
  precmd_functions=(${precmd_functions:#_vibeusage_precmd}) VIBEUSAGE_SEGMENT=
  [[ -z $_vibeusage_fd ]] || { zle -F $_vibeusage_fd; exec {_vibeusage_fd}<&- }
  _vibeusage_place
  unset VIBEUSAGE_SEGMENT ${(k)parameters[(I)_vibeusage_*]}
  unfunction prompt_vibeusage vibeusage_plugin_unload ${(k)functions[(I)_vibeusage_*]}
}

typeset -ga precmd_functions
if [[ " ${precmd_functions[*]-} " != *" _vibeusage_precmd "* ]]; then precmd_functions+=(_vibeusage_precmd); fi
if [[ -n "${functions[compdef]-}" ]]; then compdef _vibeusage_complete vibeusage; fi
if [[ -n "${_vibeusage_aliases-}" ]]; then unset _vibeusage_aliases; setopt aliases; fi
