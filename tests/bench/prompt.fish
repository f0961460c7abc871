# prompt.fish HOOK COUNT MODE: draw COUNT prompts; MODE is none, hook, look or read (the hook as at the first prompt of a
# second, or as after a change of the stored segment).
set hook $argv[1]
set count $argv[2]
set mode $argv[3]
function fish_prompt
    printf '%s> ' $PWD
end
function fish_right_prompt
end
test $mode = none; or source $hook
set i 0
while test $i -lt $count
    set i (math $i + 1)
    switch $mode
        case look
            set -g _vibeusage_looked 0
        case read
            set -g _vibeusage_looked 0
            set -g _vibeusage_seen ''
    end
    emit fish_prompt
    fish_prompt
    fish_right_prompt
end
test $mode = none -o $count = 0; and exit
test -n "$VIBEUSAGE_SEGMENT" -a -n "$_vibeusage_seen"
exit
