"""The examples that the help of each command ends with: what it does, and the command line."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "init": (
        ("A recipe for a folder of pictures for each class", "edgecnn init photos/"),
        ("For a board with little room", "edgecnn init photos/ --budget 30000 -o small.toml"),
        ("With room for a net of ImageNet's", "edgecnn init photos/ --budget 4000000 -o large.toml"),
    ),
    "train": (
        ("With a recipe that is chosen for the pictures", "edgecnn train --data photos/"),
        ("A folder of pictures for each class", "edgecnn train dscnn-colour --data photos/ --name photos --size 96"),
        ("See what would be trained, and by which values", "edgecnn train dscnn-digits --lr 0.01 --dry-run"),
        ("Go on after an interruption", "edgecnn train runs/photos --resume"),
    ),
    "import": (
        (
            "A PyTorch net of one's own",
            "edgecnn import net.py:Net --weights net.pt --data photos/ -o runs/net",
        ),
    ),
    "export": (
        ("Four files, each checked against the run", "edgecnn export runs/photos"),
        ("Mend what int8 loses above 0.5 pp", "edgecnn export runs/photos --max-drop 0.5 --rescue"),
    ),
    "calibrate": (
        ("Answer unknown to pictures unlike those of training", "edgecnn calibrate runs/photos"),
        ("Be wrong on at most 5 % of what is answered", "edgecnn calibrate runs/photos --max-risk 5"),
    ),
    "run": (
        ("Three nets of one size, side by side", "edgecnn run dscnn-digits mlp-digits vit-digits"),
    ),
    "predict": (
        ("What a model sees in pictures, on this machine", "edgecnn predict runs/photos picture.jpg"),
        ("Sort a folder of pictures by class", "edgecnn predict zoo:fashion-10k pictures/ --save sorted"),
    ),
    "deploy": (
        ("Onto a Raspberry Pi, tested there", "edgecnn deploy runs/photos --board ssh://pi@raspberrypi"),
        ("Onto a group of boards, one of them first", "edgecnn deploy runs/photos --board @shop --canary 1"),
        ("Into a folder, to be copied by hand", "edgecnn deploy runs/photos -o bundle"),
    ),
    "bench": (
        ("Two runs against each other, on a Raspberry Pi", "edgecnn bench runs/a runs/b --board ssh://pi@raspberrypi"),
        ("Fail if a picture takes more than 20 ms", "edgecnn bench runs/photos --max-ms 20 --strict"),
    ),
    "eval": (("Class by class, on other pictures", "edgecnn eval runs/photos --data new-photos/"),),
    "compare": (("Has it become slower?", "edgecnn compare before.json after.json"),),
    "verify": (
        ("Does a board answer as this machine does?", "edgecnn verify runs/photos --board ssh://pi@raspberrypi"),
    ),
    "selftest": (("A model file, against the answers it was exported with", "edgecnn selftest runs/photos"),),
    "inspect": (
        ("A recipe's net, layer by layer", "edgecnn inspect dscnn-digits"),
        ("A model file of any make", "edgecnn inspect model.tflite"),
        ("What a file would cost on a Raspberry Pi 5", "edgecnn inspect model.tflite --board emulated:pi5"),
    ),
    "doctor": (
        ("Is all installed?", "edgecnn doctor"),
        ("Why does a model file answer wrongly?", "edgecnn doctor model.tflite --pictures photos/"),
    ),
    "sweep": (
        ("What sweep.toml asks for, on two cores", "edgecnn sweep dscnn-digits sweep.toml --jobs 2"),
        ("Join it, or go on with it, for two hours", "edgecnn sweep dscnn-digits sweep.toml --hours 2"),
        ("What has come out until now", "edgecnn sweep dscnn-digits sweep.toml --show"),
    ),
    "plan": (
        ("The best net for a budget, by the evening", "edgecnn plan --data photos/ --board pi --max-ms 2 --hours 4"),
        (
            "On an emulated Raspberry Pi 5",
            "edgecnn plan fashion-resnet8 --board emulated:pi5 --max-minstr 0.6",
        ),
    ),
    "duel": (
        ("On a tenth of the data, and on all of it", "edgecnn duel dscnn-fashion --budget macs --fractions 0.1,1"),
    ),
    "lesson": (("All lessons, coarsely", "edgecnn lesson all --quick"),),
    "report": (("One page of two runs", "edgecnn report runs/a runs/b -o report.html"),),
    "list": (("The data sets", "edgecnn list data"),),
    "push": (("To a hub, for oneself", "edgecnn push runs/photos hf://user/photos"),),
    "pull": (("From a hub, into runs/photos", "edgecnn pull hf://user/photos"),),
    "data check": (
        ("What is wrong with a folder of pictures?", "edgecnn data check photos/"),
        ("On a page, with a list to leave some out", "edgecnn data check photos/ --page check.html --fix list.csv"),
    ),
    "board list": (("All boards, for a program", "edgecnn board list --json"),),
    "board info": (("A board over SSH", "edgecnn board info ssh://pi@raspberrypi"),),
    "board status": (("Of a group of boards", "edgecnn board status @shop"),),
    "board trust": (("Take nobody else's bundles", "edgecnn board trust ssh://pi@raspberrypi ~/.ssh/id_ed25519.pub"),),
    "board doctor": (("Can it bench?", "edgecnn board doctor ssh://pi@raspberrypi"),),
    "board clean": (("After the last bench", "edgecnn board clean ssh://pi@raspberrypi"),),
    "board profile": (("What operators cost on a board", "edgecnn board profile ssh://pi@raspberrypi"),),
    "board make": (("The emulated boards' image", "edgecnn board make --release bookworm"),),
}  # fmt: skip
